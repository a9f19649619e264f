import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as GatewayHealth from "../../src/dashboard/GatewayHealth.ts"
import * as NodeGateway from "../../src/node/NodeGateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as DashboardBot from "../support/DashboardBot.ts"
import { until } from "../support/Patience.ts"

/** A bot of two shards on a served simulator, with its probes on a port. */
const bot = Layer.unwrap(
  Effect.map(DiscordSimulator, ({ apiUrl, token }) =>
    HttpRouter.serve(GatewayHealth.layer, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(
        NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 })
      ),
      Layer.provideMerge(NodeGateway.layer),
      Layer.provide(GatewayConfig.layer({ apiUrl, token, shards: 2 }))
    )
  )
).pipe(
  Layer.provideMerge(DiscordSimulator.serve({ maxConcurrency: 2 })),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
)

const ask = (path: string) =>
  Effect.flatMap(DashboardBot.origin, (origin) =>
    Effect.promise(async () => {
      const answer = await fetch(`${origin}${path}`)
      return { status: answer.status, text: (await answer.text()).trim() }
    })
  )

const becomes = (path: string, status: number) => until(ask(path), (answer) => answer.status === status)

describe("the probes of one process", () => {
  it.live("tell a bot that is connected, one that Discord leaves alone, and one that has ended for good", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      assert.deepStrictEqual(yield* becomes("/readyz", 200), { status: 200, text: "ok" })
      assert.deepStrictEqual(yield* ask("/livez"), { status: 200, text: "ok" })
      const shards: ReadonlyArray<Record<string, string>> = JSON.parse((yield* ask("/shards")).text)
      assert.deepStrictEqual(
        shards.map(({ shard, state }) => [shard, state]),
        [
          ["0/2", "ready"],
          ["1/2", "ready"]
        ]
      )

      // An outage is none of the supervisor's business.
      const network = Fault.dial("refuse")
      yield* simulator.faults.inject(network)
      yield* simulator.drop({ shard: 1 })
      assert.deepStrictEqual(yield* becomes("/readyz", 503), { status: 503, text: "1 of 2 shards are ready" })
      assert.strictEqual((yield* ask("/livez")).status, 200)
      yield* simulator.faults.lift(network)
      yield* becomes("/readyz", 200)

      yield* simulator.close(4014, { shard: 0 })
      const { text } = yield* becomes("/livez", 503)
      assert.match(text, /^shard 0 has stopped: The bot may not use/)
    }).pipe(Effect.provide(bot))
  )
})
