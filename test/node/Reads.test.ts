import { createServer } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { WebSocketServer } from "ws"
import * as NodeGateway from "../../src/node/NodeGateway.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../src/services/GatewayConnection.ts"

/** A peer that greets each connection with these texts, in one write. */
const greeting = (texts: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer()
      const sockets = new WebSocketServer({ noServer: true })
      server.on("upgrade", (request, socket, head) => {
        sockets.handleUpgrade(request, socket, head, (ws) => {
          socket.cork()
          for (const text of texts) ws.send(text)
          socket.uncork()
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("a read of the socket", () => {
  it.live("is handed over as it came, as one batch, and wakes whoever waits for it", () =>
    Effect.gen(function* () {
      const { port } = yield* greeting([1, 2, 3].map((s) => JSON.stringify({ op: 0, t: "X", s, d: { n: s } })))
      const sequences = yield* Effect.gen(function* () {
        const { open } = yield* GatewayConnection
        const connection = yield* open({
          url: `ws://127.0.0.1:${port}`,
          shard: new ShardId({ id: 0, total: 1 }),
          closeCode: 1000,
          compress: false,
          wanted: () => undefined
        })
        const { received } = yield* connection.receive
        return received.map((payload) => (typeof payload === "object" && "s" in payload ? payload.s : payload))
      }).pipe(
        Effect.scoped,
        Effect.provide(
          NodeGateway.layerServices.pipe(Layer.provide(GatewayConfig.layer({ token: "token", compression: "none" })))
        )
      )
      assert.deepStrictEqual(sequences, [1, 2, 3])
    }).pipe(Effect.scoped)
  )
})
