import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as SimulatedCluster from "../support/SimulatedCluster.ts"

const program = Effect.flatMap(Gateway, (gateway) => gateway.runForEach(() => Effect.void))

describe("the number of a cluster's parts", () => {
  it.effect("is refused above 2,000 by the option's name, and a machine with fewer starts after that", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(SimulatedCluster.start(program, { shards: 2 }, 2001))
      assert.include(error.message, "shardsPerGroup")
      assert.include(error.message, "2001 are too many: at most 2000")

      const { cluster } = yield* SimulatedCluster.start(program, { shards: 2 }, 16)
      assert.deepStrictEqual(
        (yield* cluster.here).map(({ shard }) => shard.id),
        [0, 1]
      )
    }).pipe(Effect.provide(SimulatedCluster.shared()))
  )
})
