import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Proxy from "../../cluster/Proxy.ts"
import * as Instances from "../../owner/Instances.ts"

const served = Effect.provide(DiscordSimulator.serve())

for (const place of Instances.stores) {
  const { port, store } = place
  if (port === undefined) continue
  describe.skipIf(!place.isThere)(`an instance that starts while ${store} is away`, () => {
    const proxied = Effect.gen(function* () {
      const proxy = yield* Proxy.make({ host: "127.0.0.1", port })
      return { proxy, instances: yield* Instances.make(place) }
    })

    for (const state of ["refuse", "stall"] as const) {
      it.live(`waits for it, says so, and connects when it is there: ${state}`, () =>
        Effect.gen(function* () {
          const { instances, proxy } = yield* proxied
          yield* proxy[state]
          const bot = yield* instances.startThrough(proxy.port, "wait")
          yield* bot.says("Nobody says who owns the sessions: ")
          assert.strictEqual((yield* (yield* DiscordSimulator).counts).dials, 0)
          yield* proxy.restore
          yield* bot.says("READY")
          const { code, stderr } = yield* bot.end("SIGTERM")
          process.stdout.write(`${store}, ${state}: ${/Nobody says[^"]*/.exec(stderr)?.[0]}\n`)
          assert.notInclude(stderr, "    at ")
          assert.notStrictEqual(code, 1)
        }).pipe(served)
      )
    }

    it.live("fails in words, where it is told to", () =>
      Effect.gen(function* () {
        const { instances, proxy } = yield* proxied
        yield* proxy.refuse
        const { code, stderr } = yield* (yield* instances.startThrough(proxy.port, "fail")).ending
        assert.strictEqual(code, 1)
        process.stdout.write(`${store}: ${/Error: (Nobody says[^\n"\\]*)/.exec(stderr)?.[1]}\n`)
        assert.match(stderr, /GatewayError: Nobody says who owns the sessions: .{5,}\. Check that their store runs/)
      }).pipe(served)
    )
  })
}
