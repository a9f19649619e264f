/**
 * Quiet bots over many hours of virtual time, whose sessions are never deaf: each shard has a rhythm of its own, from busy
 * days with silent nights to an event a day; connections are lost now and then, and guilds are left.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { shardOfGuild } from "../../src/schema/ShardId.ts"
import { snowflake } from "../../src/simulator/Snowflakes.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Dice from "../simulation/Dice.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** Result of a run. */
export interface QuietHours {
  readonly shardHours: number
  /** Sessions taken for deaf. */
  readonly falsePositives: number
  readonly probes: number
  /** Least time between two probes of a shard, in minutes. */
  readonly leastGap: number
  readonly events: number
  readonly lostConnections: number
}

const step = Duration.minutes(5)

/** Runs so many shards for so many hours. */
export const run = ({
  hours,
  seed,
  shards
}: {
  readonly shards: number
  readonly hours: number
  readonly seed: number
}) =>
  Effect.gen(function* () {
    const dice = Dice.make(yield* Random.Random.pipe(Random.withSeed(seed)))
    const simulator = yield* DiscordSimulator
    const gateway = yield* Gateway
    let falsePositives = 0
    let lostConnections = 0
    yield* Effect.forkScoped(
      Stream.runForEach(gateway.changes, (event) =>
        Effect.sync(() => {
          if (event._tag !== "Disconnected") return
          if (event.reason._tag === "SessionDeaf") falsePositives++
          else lostConnections++
        })
      )
    )
    yield* Effect.forkScoped(Stream.runDrain(gateway.payloads))
    yield* TestClock.adjust("1 minute")

    // Chance of an event in a step by day and by night, from one in a minute to one a day.
    const rhythms = Array.from({ length: shards }, () => ({ day: 1 / dice.magnitude(1, 300), night: dice.chance(0.5) }))
    const lastProbe = new Map<number, number>()
    let probes = 0
    let leastGap = Infinity
    let events = 0
    const count = Effect.gen(function* () {
      for (const { frames, shard = 0 } of yield* simulator.connections) {
        for (const { at, op } of frames) {
          const last = lastProbe.get(shard) ?? -Infinity
          if (op !== 8 || at <= last) continue
          probes++
          if (Number.isFinite(last)) leastGap = Math.min(leastGap, (at - last) / 60_000)
          lastProbe.set(shard, at)
        }
      }
    })
    for (let hour = 0; hour < hours; hour++) {
      const isNight = hour % 24 < 8
      for (let minute = 0; minute < 60; minute += Duration.toMinutes(step)) {
        for (const [shard, rhythm] of rhythms.entries()) {
          if (isNight && !rhythm.night) continue
          if (dice.chance(rhythm.day)) events += yield* simulator.dispatch("MESSAGE_CREATE", {}, { shard })
        }
        yield* TestClock.adjust(step)
      }
      if (dice.chance(0.2)) yield* simulator.drop({ shard: dice.integer(0, shards - 1) })
      if (dice.chance(0.02)) {
        const id = snowflake(dice.integer(0, 2 * shards - 1))
        yield* simulator.dispatch("GUILD_DELETE", { id }, { shard: shardOfGuild(id, shards) })
      }
      yield* count
    }
    return {
      shardHours: shards * hours,
      falsePositives,
      probes,
      leastGap,
      events,
      lostConnections
    } satisfies QuietHours
  }).pipe(
    Effect.provide(
      SimulatedBot.layer({
        // Heartbeats, and the answers to them, are most of what there is to compute, and nothing depends on them here.
        simulator: {
          guilds: 2 * shards,
          shards,
          maxConcurrency: shards,
          heartbeatInterval: "1 hour",
          history: 64
        },
        config: { shards }
      })
    ),
    Effect.scoped
  )
