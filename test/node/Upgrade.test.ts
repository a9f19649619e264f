import { createServer, type IncomingHttpHeaders } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as NodeGateway from "../../src/node/NodeGateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"

/** A peer that refuses each upgrade with these lines, and keeps the headers that it was asked with. */
const refusing = (lines: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly asked: ReadonlyArray<IncomingHttpHeaders>; close: () => void }>(
      (resume) => {
        const asked: Array<IncomingHttpHeaders> = []
        const server = createServer()
        server.on("upgrade", ({ headers }, socket) => {
          asked.push(headers)
          socket.end(["HTTP/1.1 429 Too Many Requests", ...lines, "Content-Length: 0", "", ""].join("\r\n"))
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ port, asked, close: () => server.close() }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

/** The first wait of a bot that connects there, and the headers of its upgrade. */
const firstWait = Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
  const { asked, port } = yield* refusing(lines)
  const wait = yield* Effect.flatMap(Gateway, ({ changes }) =>
    changes.pipe(
      Stream.filter((change) => change._tag === "Waiting"),
      Stream.take(1),
      Stream.runFold(
        () => 0,
        (_, { delay }) => Duration.toSeconds(delay)
      )
    )
  ).pipe(
    Effect.provide(
      NodeGateway.layer.pipe(
        Layer.provide(GatewayConfig.layer({ token: "wire-token", gatewayUrl: `ws://127.0.0.1:${port}` }))
      )
    ),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  return { asked, wait }
})

describe("an upgrade", () => {
  it.live("names the library, as Discord asks for", () =>
    Effect.gen(function* () {
      const { asked } = yield* firstWait([])
      assert.match(asked[0]?.["user-agent"] ?? "", /^DiscordBot \(https:\/\/\S+, \d+\.\d+\.\d+\)$/)
      assert.notInclude(JSON.stringify(asked), "wire-token")
    }).pipe(Effect.scoped)
  )

  it.live("that is refused is tried again after the wait that the peer names, in seconds or as a date", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* firstWait([])).wait, 1)
      assert.strictEqual((yield* firstWait(["Retry-After: 42"])).wait, 42)
      const dated = yield* firstWait([
        "Date: Wed, 21 Oct 2026 07:28:00 GMT",
        "Retry-After: Wed, 21 Oct 2026 07:28:30 GMT"
      ])
      assert.strictEqual(dated.wait, 30)
      assert.strictEqual((yield* firstWait(["Retry-After: 99999999"])).wait, 3600)
    }).pipe(Effect.scoped)
  )
})
