import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as RedisBroker from "../../../src/relay/redis/RedisBroker.ts"
import { contract } from "../../relay/BrokerContract.ts"
import { hasRedis } from "../../support/LocalServices.ts"

describe.skipIf(!hasRedis)("a broker on Redis", () => {
  contract((options) =>
    Layer.unwrap(
      Effect.map(Random.nextIntBetween(0, 2 ** 40), (random) =>
        RedisBroker.layer({ name: `relay_${random.toString(36)}`, ...options })
      )
    ).pipe(Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))
  )
})
