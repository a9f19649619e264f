/**
 * A bot that is stopped, killed and moved again and again while its guilds change, and that knows them from `GuildSnapshots` alone:
 * each process begins with nothing but the stores.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { guildOf } from "../../src/gateway/PayloadGuild.ts"
import type { Payload } from "../../src/schema/Payload.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GuildSnapshots } from "../../src/services/GuildSnapshots.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { Guilds, type SimulatedGuild } from "../../src/simulator/Guilds.ts"
import * as Dice from "../simulation/Dice.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"
import { randomChange } from "./RandomChange.ts"

/** What was found. */
export interface Restarted {
  readonly restarts: number
  readonly events: number
  /** Restarts after which the program, from snapshots and replay, knew other guilds than Discord has. */
  readonly wrong: number
  /** Ends in peace after which the store had other guilds than Discord. */
  readonly storedWrong: number
  /** Events that came before the GUILD_CREATE of their guild. */
  readonly early: number
  /** GUILD_CREATEs that were handed out as replayed. */
  readonly handedOut: number
  readonly identifies: number
  readonly kills: number
}

/** What is kept of a guild, by its id. The count of members is of the snapshot alone: a replay counts twice in a program. */
const kept = (guilds: Iterable<SimulatedGuild>, withCount: boolean) => {
  const leftOut = new Set(["members", "presences", "voice_states", ...(withCount ? [] : ["member_count"])])
  const texts = Array.from(guilds, (guild) =>
    JSON.stringify([
      guild.id,
      ...Object.entries(guild)
        .filter(([name]) => !leftOut.has(name))
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
    ])
  )
  return texts.toSorted().join("\n")
}

/** A store that takes time and can die with the process: what is written after that is not in it. */
const mortalStore = Effect.gen(function* () {
  const backing = yield* Persistence.BackingPersistence
  const state = { isDead: false, diesAfterGuilds: false }
  const written = (storeId: string) => {
    if (state.diesAfterGuilds && storeId.endsWith("guilds")) state.isDead = true
  }
  const mortal = Persistence.BackingPersistence.of({
    ...backing,
    make: (storeId) =>
      Effect.map(backing.make(storeId), (store) => {
        const write = <E>(effect: Effect.Effect<void, E>) =>
          Effect.andThen(
            Effect.sleep("20 millis"),
            Effect.suspend(() =>
              state.isDead ? Effect.void : Effect.tap(effect, () => Effect.sync(() => written(storeId)))
            )
          )
        return {
          ...store,
          set: (key, value, ttl) => write(store.set(key, structuredClone(value), ttl)),
          setMany: (values) => write(store.setMany(structuredClone(values))),
          remove: (key) => write(store.remove(key))
        }
      })
  })
  return { state, mortal }
})

const shards = 2

/** Restarts a bot so many times. */
export const run = ({
  guilds,
  restarts,
  seed
}: {
  readonly guilds: number
  readonly restarts: number
  readonly seed: number
}) =>
  Effect.gen(function* () {
    const dice = Dice.make(yield* Random.Random.pipe(Random.withSeed(seed)))
    const simulator = yield* DiscordSimulator
    const { mortal, state } = yield* mortalStore
    const found = { events: 0, wrong: 0, storedWrong: 0, early: 0, handedOut: 0, kills: 0 }

    const start = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Gateway.layer.pipe(
          Layer.provide([Layer.fresh(SessionStore.layerPersisted), Layer.fresh(GuildSnapshots.layerPersisted)]),
          Layer.provide(Layer.succeed(Persistence.BackingPersistence, mortal)),
          Layer.provide(
            GatewayConfig.layer({
              token: "simulated-token",
              compression: "none",
              shards,
              intents: ["GUILDS", "GUILD_MEMBERS", "GUILD_EXPRESSIONS", "GUILD_SCHEDULED_EVENTS"]
            })
          )
        ),
        scope
      )
      const gateway = yield* Effect.provideContext(Gateway, context)
      const known = new Guilds(0)
      const met = new Set<string>()
      const take = (payload: Payload) => {
        if (payload.t === null) return
        const guild = guildOf(payload)
        if (payload.t === "GUILD_CREATE" && guild !== undefined) met.add(guild)
        else if (guild !== undefined && !met.has(guild) && payload.t !== "GUILD_DELETE") found.early++
        if (payload.replayed === true) found.handedOut++
        known.apply(payload.t, structuredClone(payload.d))
      }
      yield* Effect.forkIn(
        gateway.runForEach((payload) => Effect.sync(() => take(payload))),
        scope
      )
      yield* TestClock.adjust("12 seconds")
      return { known, stop: Scope.close(scope, Exit.void) }
    })

    const change = Effect.fnUntraced(function* (count: number, apart: number) {
      for (let n = 0; n < count; n++) {
        yield* randomChange(dice)
        found.events++
        yield* TestClock.adjust(`${dice.integer(0, apart)} millis`)
      }
    })

    const stored = Effect.gen(function* () {
      const context = yield* Layer.build(
        Layer.mergeAll(SessionStore.layerPersisted, GuildSnapshots.layerPersisted).pipe(
          Layer.provide(Layer.succeed(Persistence.BackingPersistence, mortal))
        )
      )
      const all: Array<SimulatedGuild> = []
      for (let id = 0; id < shards; id++) {
        const shard = new ShardId({ id, total: shards })
        const session = yield* Effect.flatMap(SessionStore, (store) => store.get(shard)).pipe(
          Effect.provideContext(context)
        )
        if (session._tag === "None") continue
        const snapshots = yield* Effect.flatMap(GuildSnapshots, (store) => store.load(shard, session.value.id)).pipe(
          Effect.provideContext(context)
        )
        for (const { guild, id } of snapshots) all.push({ ...guild, id })
      }
      return all
    }).pipe(Effect.scoped)

    let bot = yield* start
    for (let restart = 0; restart < restarts; restart++) {
      yield* change(dice.integer(0, 12), 400)
      const isKilled = dice.chance(0.5)
      if (isKilled) {
        found.kills++
        if (dice.chance(0.5)) state.isDead = true
        else state.diesAfterGuilds = true
        yield* change(dice.integer(0, 6), 600)
      } else yield* TestClock.adjust("10 millis")
      state.isDead ||= isKilled
      const stopping = yield* Effect.forkChild(bot.stop)
      while (stopping.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
      state.isDead = false
      state.diesAfterGuilds = false
      if (!isKilled && kept(yield* stored, true) !== kept(yield* simulator.guilds, true)) found.storedWrong++
      yield* change(dice.integer(0, 6), 100)
      bot = yield* start
      if (kept(bot.known.all(), false) !== kept(yield* simulator.guilds, false)) found.wrong++
    }
    yield* Effect.forkChild(bot.stop)
    yield* TestClock.adjust("2 seconds")
    const { identifies } = yield* simulator.counts
    return { ...found, restarts, identifies } satisfies Restarted
  }).pipe(
    Effect.provide(
      Layer.mergeAll(SimulatedBot.discord({ guilds, maxConcurrency: shards }), Persistence.layerBackingMemory)
    )
  )
