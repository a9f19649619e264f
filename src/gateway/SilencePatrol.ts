/**
 * Patrol over the shards of a generation, by one fiber: each is looked at for a session that has gone deaf.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import type { Shard } from "../shard/Shard.ts"

/** Lateness of a look after which the sockets may not have been read in time: timers run before them. */
const late = Duration.seconds(5)

/** Looks at the shards, three times in the time in which a probe has to be answered, until the scope closes. */
export const run = (shards: ReadonlyMap<number, Shard>): Effect.Effect<void, never, GatewayConfig | Scope.Scope> =>
  Effect.gen(function* () {
    const { silenceProbe } = yield* GatewayConfig
    if (silenceProbe === false) return
    const every = Duration.times(silenceProbe.answerWithin, 1 / 3)
    while (true) {
      const due = (yield* MonotonicTime.now) + Duration.toMillis(every)
      yield* Effect.sleep(every)
      const isLate = (yield* MonotonicTime.now) - due > Duration.toMillis(late)
      for (const shard of shards.values()) shard.lookForSilence(isLate)
    }
  }).pipe(Effect.forkScoped, Effect.asVoid)
