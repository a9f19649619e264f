import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import type { ShardEvent } from "../../src/schema/ShardEvent.ts"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { SilenceWatch, type SilenceVerdict } from "../../src/shard/SilenceWatch.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as QuietHours from "../silence/QuietHours.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const reasons = (events: ReadonlyArray<ShardEvent>) =>
  events.flatMap((event) => (event._tag === "Disconnected" ? [event.reason._tag] : []))

/** When op 8 came, in milliseconds. */
const probes = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  return (yield* simulator.connections).flatMap(({ frames }) => frames.filter(({ op }) => op === 8).map(({ at }) => at))
})

/** An event at each interval, so many times. */
const traffic = (interval: Duration.Input, times: number) =>
  Effect.gen(function* () {
    const simulator = yield* DiscordSimulator
    for (let n = 0; n < times; n++) {
      yield* simulator.dispatch("MESSAGE_CREATE", { content: String(n) })
      yield* TestClock.adjust(interval)
    }
  })

interface ReadyData {
  readonly guilds: ReadonlyArray<{ readonly id: string }>
}

/** A watch of its own, after READY. */
const watchOf = (ready: object) =>
  Effect.gen(function* () {
    const limits = {
      atLeast: Duration.minutes(10),
      atMost: Duration.hours(1),
      answerWithin: Duration.minutes(1)
    }
    const watch = new SilenceWatch(yield* Clock.Clock, limits)
    watch.onReady({ user: { id: "1" }, ...ready })
    watch.onSession()
    return watch
  })

const bot = SimulatedBot.layer({ simulator: { guilds: 3 } })

describe("a session that has gone deaf", () => {
  it.effect("is found within two minutes of the bound, resumed, and what it missed is replayed", () =>
    Effect.gen(function* () {
      const { listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* traffic("1 minute", 60)
      yield* simulator.act(Act.deafen)
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "unheard" })
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(reasons(watcher.events), [])
      // A bot that hears something each minute is probed after ten.
      yield* TestClock.adjust("3 minutes")
      const deaf = watcher.events.find((event) => event._tag === "Disconnected")
      assert.deepInclude(deaf?.reason, { _tag: "SessionDeaf", isLasting: false })
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
      assert.strictEqual((yield* simulator.counts).identifies, 1)
      assert.deepInclude(listener.payloads.findLast(({ t }) => t === "MESSAGE_CREATE")?.d, { content: "unheard" })
    }).pipe(Effect.provide(bot))
  )

  it.effect("is found as soon after the silence that is usual for a bot with few events", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* traffic("20 minutes", 6)
      yield* simulator.act(Act.deafen)
      const before = yield* DateTime.now
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("1 hour")
      const at = watcher.events.find((event) => event._tag === "Disconnected")?.at ?? before
      // The last event was 20 minutes before, and twice that is the bound.
      const after = Duration.toMinutes(DateTime.distance(before, at))
      assert.isAtLeast(after, 20)
      assert.isAtMost(after, 22)
    }).pipe(Effect.provide(bot))
  )

  it.effect("again and again is resumed each time, as long as RESUME brings what was missed", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      for (let n = 0; n < 1500; n++) {
        yield* simulator.act(Act.deafen)
        yield* TestClock.adjust("2 seconds")
      }
      assert.deepStrictEqual(reasons(watcher.events).slice(0, 3), ["SessionDeaf", "SessionDeaf", "SessionDeaf"])
      assert.strictEqual((yield* simulator.counts).identifies, 1)
    }).pipe(Effect.provide(bot))
  )

  it.effect(
    "is given up for a new one where RESUME brings nothing, three times, and the guild had answered before",
    () =>
      Effect.gen(function* () {
        const watch = yield* watchOf({ guilds: [{ id: "7" }] })
        const verdicts: Array<SilenceVerdict> = []
        const pass = Effect.gen(function* () {
          yield* TestClock.adjust("11 minutes")
          verdicts.push(watch.look())
          watch.probed(true)
          yield* TestClock.adjust("1 minute")
        })
        yield* pass
        watch.heard("answer")
        for (let n = 0; n < 4; n++) {
          yield* pass
          verdicts.push(watch.look())
          watch.onSession()
        }
        assert.deepStrictEqual(
          verdicts.map((verdict) => (verdict._tag === "Deaf" ? verdict.isLasting : verdict._tag)),
          ["Probe", "Probe", false, "Probe", false, "Probe", true, "Probe", true]
        )
      })
  )

  it.effect("is found in a session that another process began, of which no READY came", () =>
    Effect.gen(function* () {
      const limits = { atLeast: Duration.minutes(10), atMost: Duration.hours(1), answerWithin: Duration.minutes(1) }
      const watch = new SilenceWatch(yield* Clock.Clock, limits, "1")
      watch.onSession()
      watch.onEvent({ op: 0, t: "MESSAGE_CREATE", s: 2, d: { guild_id: "7" }, shard: 0 })
      yield* TestClock.adjust("11 minutes")
      const verdict = watch.look()
      assert.deepInclude(verdict._tag === "Probe" ? verdict.event.d : {}, { guild_id: "7", user_ids: ["1"] })
    })
  )

  it.effect("is not found twice by a guild that never answered: it may be one that cannot", () =>
    Effect.gen(function* () {
      const watch = yield* watchOf({ guilds: [{ id: "7" }, { id: "8" }] })
      const asked: Array<unknown> = []
      for (let n = 0; n < 4; n++) {
        yield* TestClock.adjust("11 minutes")
        const verdict = watch.look()
        if (verdict._tag === "Probe") asked.push((verdict.event.d as { readonly guild_id: string }).guild_id)
        watch.probed(true)
        yield* TestClock.adjust("1 minute")
        watch.look()
        watch.onSession()
      }
      assert.deepStrictEqual(asked, ["7", "8"])
    })
  )

  it.effect("is not found while the answer may lie in a socket that is not read", () =>
    Effect.gen(function* () {
      const watch = yield* watchOf({ guilds: [{ id: "7" }] })
      yield* TestClock.adjust("11 minutes")
      assert.strictEqual(watch.look()._tag, "Probe")
      watch.probed(true)
      for (let n = 0; n < 10; n++) {
        yield* TestClock.adjust("50 seconds")
        watch.excuse()
        assert.strictEqual(watch.look()._tag, "Fine")
      }
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(watch.look()._tag, "Deaf")
    })
  )
})

describe("a bot that is merely quiet", () => {
  it.effect("is probed, at most once in ten minutes, and never restarted", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("12 hours")
      assert.deepStrictEqual(reasons(watcher.events), [])
      assert.strictEqual((yield* simulator.counts).connections, 1)
      const times = yield* probes
      assert.isAtLeast(times.length, 12)
      const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
      assert.isAtLeast(Math.min(...gaps), 600_000)
    }).pipe(Effect.provide(bot))
  )

  it.effect("does not see the answers to probes, and sends no more of its own for them", () =>
    Effect.gen(function* () {
      const { gateway, listener } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 hour")
      assert.isAbove((yield* probes).length, 0)
      assert.notInclude(
        listener.dispatches().map(({ t }) => t),
        "GUILD_MEMBERS_CHUNK"
      )
      // What it asks for itself it gets.
      yield* gateway.send(SendEvent.requestGuildMembers({ guild_id: "1", user_ids: ["1"], nonce: "mine" }))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(listener.payloads.at(-1), { t: "GUILD_MEMBERS_CHUNK" })
      // And the probes count, so that the sequences have no gap.
      const [shard] = yield* gateway.shards
      const [session] = yield* (yield* DiscordSimulator).sessions
      assert.deepStrictEqual(shard?.sequence._tag === "Some" ? shard.sequence.value : 0, session?.sequence)
    }).pipe(Effect.provide(bot))
  )

  it.effect("and in no guild is not probed", () =>
    Effect.gen(function* () {
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(yield* probes, [])
      assert.deepStrictEqual(reasons(watcher.events), [])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("and no longer in a guild does not ask there, though it hears of no such event", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      const [ready] = (yield* simulator.sessions).map(({ dispatched }) => dispatched[0]?.d as ReadyData | undefined)
      const id = ready?.guilds[0]?.id ?? ""
      yield* simulator.dispatch("GUILD_DELETE", { id })
      yield* TestClock.adjust("1 hour")
      const asked = (yield* simulator.connections).flatMap(({ frames }) =>
        frames.filter(({ op }) => op === 8).map(({ payload }) => (payload as { d: { guild_id: string } }).d.guild_id)
      )
      assert.isAbove(asked.length, 0)
      assert.notInclude(asked, id)
      assert.notInclude(
        listener.dispatches().map(({ t }) => t),
        "GUILD_DELETE"
      )
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { guilds: 3 }, config: { events: ["MESSAGE_CREATE"] } })))
  )

  it.effect("is not probed where the program does not want it", () =>
    Effect.gen(function* () {
      yield* SimulatedBot.ready
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(yield* probes, [])
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { guilds: 3 }, config: { silenceProbe: false } })))
  )
})

describe("quiet bots of many rhythms, that lose connections and leave guilds", () => {
  it.effect("are never taken for deaf, and probed at most once in ten minutes: 1000 shard-hours", () =>
    Effect.gen(function* () {
      const found = yield* QuietHours.run({ shards: 20, hours: 50, seed: 1 })
      assert.deepInclude(found, { falsePositives: 0, shardHours: 1000 })
      assert.isAbove(found.probes, 200)
      assert.isAbove(found.lostConnections, 0)
      assert.isAtLeast(found.leastGap, 10)
    })
  )
})
