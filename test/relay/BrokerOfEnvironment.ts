/**
 * The broker that the environment names: PROOF_BROKER is its URL, PROOF_NAME the bot's name, PROOF_REPLICAS how many servers keep it.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RelayEngine from "../../src/cli/RelayEngine.ts"

export const Broker = Layer.unwrap(
  Effect.gen(function* () {
    const url = yield* Config.String("PROOF_BROKER")
    const name = yield* Config.String("PROOF_NAME")
    const capacity = yield* Config.withDefault(Config.Int("PROOF_CAPACITY"), 1_000_000)
    const replicas = yield* Config.withDefault(Config.Int("PROOF_REPLICAS"), 1)
    const engine = yield* RelayEngine.engineOf(url, replicas)
    return engine.broker({ name, capacity })
  })
)
