import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as NodeGateway from "../../../src/node/NodeGateway.ts"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const total = 1000

describe("1,000 shards in one process over real sockets", () => {
  it.live("are ready, and resume all at once when all are dropped, without an IDENTIFY and without loss", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const Bot = NodeGateway.layer.pipe(
        Layer.provide(
          GatewayConfig.layer({
            apiUrl: simulator.apiUrl,
            token: Redacted.value(simulator.token),
            shards: total,
            // A thousand at once take a slow machine long.
            timeouts: { open: "3 minutes", hello: "3 minutes" }
          })
        )
      )
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        const got = new Map<number, Array<number>>()
        yield* Effect.forkScoped(
          Stream.runForEach(gateway.on("MESSAGE_CREATE"), ({ d, shard }) =>
            Effect.sync(() => {
              const { n } = d as never as { n: number }
              got.set(shard, [...(got.get(shard) ?? []), n])
            })
          )
        )
        const allReady = Effect.map(gateway.shards, (shards) => shards.filter(({ state }) => state === "ready").length)
        yield* until(allReady, (ready) => ready === total)
        for (let n = 0; n < 3; n++) yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n } }])
        yield* simulator.drop()
        for (let n = 3; n < 6; n++) yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n } }])
        yield* until(simulator.counts, ({ resumes }) => resumes >= total)
        yield* until(allReady, (ready) => ready === total)
        yield* untilTrue(() => [...got.values()].every((numbers) => numbers.length >= 6) && got.size === total)
        const { identifies, identifyViolations, resumes } = yield* simulator.counts
        assert.deepStrictEqual(
          { identifies, identifyViolations, resumes },
          { identifies: total, identifyViolations: 0, resumes: total }
        )
        for (const [shard, numbers] of got) assert.deepStrictEqual(numbers, [0, 1, 2, 3, 4, 5], `shard ${shard}`)
      }).pipe(Effect.provide(Bot), Effect.scoped)
    }).pipe(
      Effect.provide(
        DiscordSimulator.serve({ shards: total, maxConcurrency: total, sessionStartLimit: { total: 10_000 } })
      ),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
  )
})
