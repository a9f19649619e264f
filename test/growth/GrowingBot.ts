/**
 * A bot with `shards: "auto"` that joins guild after guild over hours of virtual time, while a message comes to one of them every
 * five seconds.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** What became of a bot. */
export interface Grown {
  readonly shards: ReadonlyArray<string>
  /** Numbers of shards that it came to, one after the other. */
  readonly reshards: ReadonlyArray<number>
  readonly guilds: number
  readonly messages: number
  readonly lost: number
  readonly doubled: number
  readonly outOfOrder: number
  readonly identifies: number
  /** IDENTIFYs that Discord found too early or over the budget. */
  readonly refused: number
  /** Least time between two IDENTIFYs, in seconds. */
  readonly leastGap: number
}

/** Lets a bot grow by so many guilds every ten minutes. */
export const run = (options: {
  readonly from: number
  readonly to: number
  readonly perTenMinutes: number
  readonly guildsPerShard: number
}) =>
  Effect.gen(function* () {
    const { from, perTenMinutes, to } = options
    const simulator = yield* DiscordSimulator
    const gateway = yield* Gateway
    const got: Array<number> = []
    yield* Effect.forkScoped(
      Stream.runForEach(gateway.on("MESSAGE_CREATE"), ({ d }) => Effect.sync(() => void got.push(Number(d.id))))
    )
    const watcher = yield* SimulatedBot.watch
    yield* TestClock.adjust("1 minute")

    const joined: Array<string> = []
    let sent = 0
    const say = Effect.suspend(() =>
      simulator.dispatch("MESSAGE_CREATE", { id: String(sent), guild_id: joined[sent++ % joined.length] })
    )
    const tenMinutes = Effect.replicateEffect(Effect.andThen(say, TestClock.adjust("5 seconds")), 120, {
      discard: true
    })
    while (joined.length < to - from) {
      joined.push(...(yield* simulator.joinGuilds(Math.min(perTenMinutes, to - from - joined.length))))
      yield* tenMinutes
    }
    yield* Effect.replicateEffect(tenMinutes, 2, { discard: true })

    const counts = yield* simulator.counts
    const times = (yield* SimulatedBot.identifies).map(({ at }) => at).toSorted((a, b) => a - b)
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    const seen = new Set(got)
    return {
      shards: (yield* gateway.shards).map(({ shard, state }) => `${shard.toString()} ${state}`),
      reshards: watcher.events.flatMap((event) => (event._tag === "Resharded" ? [event.to] : [])),
      guilds: from + joined.length,
      messages: sent,
      lost: sent - seen.size,
      doubled: got.length - seen.size,
      outOfOrder: got.filter((n, index) => n < (got[index - 1] ?? 0)).length,
      identifies: counts.identifies,
      refused: counts.identifyViolations + counts.overruns,
      leastGap: Math.min(...gaps) / 1000
    } satisfies Grown
  }).pipe(
    Effect.provide(
      SimulatedBot.layer({
        config: {
          shards: "auto",
          intents: ["GUILDS", "GUILD_MESSAGES"],
          growth: { every: "5 minutes", apart: "8 minutes" }
        },
        simulator: { guilds: options.from, guildsPerShard: options.guildsPerShard, frames: "binary" }
      })
    )
  )
