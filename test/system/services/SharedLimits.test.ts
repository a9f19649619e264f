import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ShardId } from "../../../src/schema/ShardId.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { GatewayDirectory } from "../../../src/services/GatewayDirectory.ts"
import { IdentifyLimiter } from "../../../src/services/IdentifyLimiter.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { hasRedis } from "../../support/LocalServices.ts"

describe("limits shared in Redis", () => {
  it.live.skipIf(!hasRedis)("hold over two processes", () =>
    Effect.gen(function* () {
      const token = `token-${yield* Effect.map(
        Effect.clockWith((clock) => clock.currentTimeMillis),
        String
      )}`
      const process = () =>
        IdentifyLimiter.layerShared.pipe(
          Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })),
          Layer.provideMerge(GatewayDirectory.layer),
          Layer.provide(GatewayConfig.layer({ token })),
          Layer.provide(DiscordSimulator.layerWith({ token, latency: "1 millis" }))
        )
      const ask = Effect.gen(function* () {
        const limiter = yield* IdentifyLimiter
        return yield* limiter.takeTurn(new ShardId({ id: 0, total: 1 }))
      })
      const turns = yield* Effect.all([ask.pipe(Effect.provide(process())), ask.pipe(Effect.provide(process()))], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(turns.map(({ _tag }) => _tag).toSorted(), ["Granted", "Wait"])
      const wait = turns.find(({ _tag }) => _tag === "Wait")
      const time = wait?._tag === "Wait" ? Duration.toMillis(wait.time) : 0
      assert.isAbove(time, 0)
      assert.isAtMost(time, 5500)
    })
  )
})
