/**
 * The broker that the environment names: PROOF_BROKER is its URL, PROOF_NAME the bot's name.
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
    const engine = yield* RelayEngine.engineOf(url)
    return engine.broker({ name, capacity })
  })
)
