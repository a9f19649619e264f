/**
 * The broker that the environment names: PROOF_BROKER is its URL, PROOF_NAME the bot's name.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RedisBroker from "../../src/relay/RedisBroker.ts"

export const Broker = Layer.unwrap(
  Effect.gen(function* () {
    const url = yield* Config.String("PROOF_BROKER")
    const name = yield* Config.String("PROOF_NAME")
    const capacity = yield* Config.withDefault(Config.Int("PROOF_CAPACITY"), 1_000_000)
    return RedisBroker.layer({ name, capacity }).pipe(Layer.provide(NodeRedis.layer({ url })))
  })
)
