import { createServer, type Server } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { hasChromium, openPage } from "../../support/Browser.ts"
import { bundle } from "../../support/Bundle.ts"

const program = `
import { Effect, Layer, References, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { Socket } from "effect/socket"
import { Gateway, GatewayConfig, GatewayLive } from "disruption-gateway"

const seen = (globalThis.seen = [])
globalThis.start = (token, gatewayUrl) => {
  const Live = GatewayLive.pipe(
    Layer.provide([Socket.layerWebSocketConstructorGlobal, FetchHttpClient.layer]),
    Layer.provide(GatewayConfig.layer({ token, gatewayUrl }))
  )
  const bot = Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* Stream.runForEach(gateway.payloads, ({ d, t }) =>
      Effect.sync(() => seen.push(t === "MESSAGE_CREATE" ? d.content : t)))
  })
  Effect.runFork(bot.pipe(Effect.provide(Live), Effect.provideService(References.MinimumLogLevel, "None")))
}
`

describe("a bundle for browsers", () => {
  it("has none of Node's modules, nor what only Node's entry needs", async () => {
    const { code, modules } = await bundle(program)
    assert.notMatch(code, /(?:import|from|require)\s*\(?\s*["'`]node:/)
    assert.deepStrictEqual(
      modules.filter((name) => /platform-node|\/ws\/|src\/(node|cli|simulator|dashboard)\//.test(name)),
      []
    )
  })

  it("is only what is used of the package", async () => {
    const little = await bundle(`import { Intents } from "disruption-gateway"; console.log(Intents.GUILDS)`)
    assert.isBelow(little.size, 2000)
  })

  describe.skipIf(!hasChromium)("in Chromium, with its own WebSocket", () => {
    it.live("connects, resumes after a lost connection, and misses nothing", () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const { code } = yield* Effect.promise(() => bundle(program))
        const server = yield* Effect.acquireRelease(
          Effect.callback<Server>((resume) => {
            const server = createServer((request, response) => {
              const isScript = request.url === "/bundle.js"
              response.setHeader("content-type", isScript ? "text/javascript" : "text/html")
              response.end(
                isScript ? code : '<script type="module" src="bundle.js"></script><link rel="icon" href="data:,">'
              )
            })
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const { complaints, page } = yield* openPage(`http://127.0.0.1:${port}/`)
        const says = (text: string) =>
          Effect.promise(() => page.waitForFunction(`globalThis.seen?.includes(${JSON.stringify(text)})`))
        yield* Effect.promise(() => page.waitForFunction("globalThis.start !== undefined"))
        const settings = [Redacted.value(simulator.token), simulator.gatewayUrl].map((text) => JSON.stringify(text))
        yield* Effect.promise(() => page.evaluate(`start(${settings.join(", ")})`))
        yield* says("READY")
        yield* simulator.dispatch("MESSAGE_CREATE", { content: "before" })
        yield* says("before")
        yield* simulator.drop()
        yield* simulator.dispatch("MESSAGE_CREATE", { content: "meanwhile" })
        yield* says("RESUMED")
        yield* simulator.dispatch("MESSAGE_CREATE", { content: "after" })
        yield* says("after")
        const seen = yield* Effect.promise(() => page.evaluate("seen.filter((name) => /^[a-z]/.test(name ?? ''))"))
        assert.deepStrictEqual(seen, ["before", "meanwhile", "after"])
        assert.strictEqual((yield* simulator.counts).identifies, 1)
        // A browser says by itself that a WebSocket was lost.
        assert.deepStrictEqual(
          complaints.filter((text) => !text.includes("WebSocket connection to")),
          []
        )
      }).pipe(Effect.scoped, Effect.provide(DiscordSimulator.serve()))
    )
  })
})
