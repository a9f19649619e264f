import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { ShardId } from "../../../src/schema/ShardId.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { GatewayDirectory } from "../../../src/services/GatewayDirectory.ts"
import { IdentifyLimiter, type IdentifyTurn } from "../../../src/services/IdentifyLimiter.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as SkewedClock from "../../simulation/SkewedClock.ts"
import { hasRedis } from "../../support/LocalServices.ts"

/** A process of its own, whose wall clock is off by so many milliseconds, that asks for the turn of a shard. */
const processOf = Effect.fnUntraced(function* (token: string, skew = 0) {
  const clock = SkewedClock.make(yield* Clock.Clock)
  clock.jump(skew)
  const process = IdentifyLimiter.layerShared.pipe(
    Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })),
    Layer.provideMerge(GatewayDirectory.layer),
    Layer.provide(GatewayConfig.layer({ token })),
    Layer.provide(DiscordSimulator.layerWith({ token, latency: "1 millis" }))
  )
  const here = Effect.provideService(Clock.Clock, clock)
  const limiter = Context.get(yield* here(Layer.build(Layer.fresh(process))), IdentifyLimiter)
  return here(limiter.takeTurn(new ShardId({ id: 0, total: 1 })))
})

const waitOf = (turn: IdentifyTurn | undefined): number =>
  turn?._tag === "Wait" ? Duration.toMillis(turn.time) : Number.NaN

const newToken = Effect.map(Random.nextIntBetween(0, 2 ** 48), (run) => `token-${run.toString(36)}`)

describe("limits shared in Redis", () => {
  it.live.skipIf(!hasRedis)("hold over two processes", () =>
    Effect.gen(function* () {
      const token = yield* newToken
      const processes = yield* Effect.all([processOf(token), processOf(token)])
      const turns = yield* Effect.all(processes, { concurrency: "unbounded" })
      assert.deepStrictEqual(turns.map(({ _tag }) => _tag).toSorted(), ["Granted", "Wait"])
      const time = waitOf(turns.find(({ _tag }) => _tag === "Wait"))
      assert.isAbove(time, 0)
      assert.isAtMost(time, 5500)
    })
  )

  for (const [words, skew] of [
    ["ahead", 60_000],
    ["behind", -60_000]
  ] as const) {
    it.live.skipIf(!hasRedis)(
      `follow the clock of Redis: a process a minute ${words} gets no turn sooner or later`,
      () =>
        Effect.gen(function* () {
          for (const skews of [
            [0, skew],
            [skew, 0]
          ]) {
            const token = yield* newToken
            const processes = yield* Effect.forEach(skews, (skew) => processOf(token, skew))
            const [first, second] = yield* Effect.all(processes)
            assert.strictEqual(first?._tag, "Granted")
            assert.isAbove(waitOf(second), 0)
            assert.isAtMost(waitOf(second), 5500)
          }
        })
    )
  }
})
