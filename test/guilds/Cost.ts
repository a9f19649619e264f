/**
 * Cost of keeping guilds: memory and storage for each guild, and time for each event, of a recorder alone.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import type { Payload } from "../../src/schema/Payload.ts"
import { Session } from "../../src/schema/Session.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { GuildSnapshots } from "../../src/services/GuildSnapshots.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { permanent } from "../../src/services/ShardLease.ts"
import { GuildRecorder } from "../../src/shard/GuildRecorder.ts"
import { channelsOf, guild } from "../../src/simulator/SampleGuild.ts"

/** What it costs. */
export interface Cost {
  readonly guilds: number
  /** Channels and roles of a guild. */
  readonly channels: number
  /** Bytes of JSON of its GUILD_CREATE, and of what is stored of it. */
  readonly bytesOfCreate: number
  readonly bytesStored: number
  /** Microseconds for an event of a guild, with its share of the writes that a second of events makes. */
  readonly perGuildEvent: number
  /** Microseconds for an event that is of no guild's state. */
  readonly perOtherEvent: number
}

/** A guild of the size of a usual one: so many channels and roles. */
const usualGuild = (index: number, size: number) => {
  const sample = guild(index)
  const [channel] = channelsOf(index)
  const entries = <A extends object>(entry: A | undefined) =>
    Array.from({ length: size }, (_, n) => ({ ...entry, id: String(1_000_000 + n), name: `entry ${n}` }))
  return { ...sample, channels: entries(channel), roles: entries(sample.roles[0]) }
}

/** Measures a recorder with so many guilds. */
export const measure = ({
  channels,
  events,
  guilds
}: {
  readonly guilds: number
  readonly channels: number
  readonly events: number
}) =>
  Effect.gen(function* () {
    const shard = new ShardId({ id: 0, total: 1 })
    const recorder = new GuildRecorder(shard, yield* GuildSnapshots, permanent, yield* Clock.Clock)
    const sessions = recorder.over(yield* SessionStore)
    let sequence = 0
    const dispatch = (t: string, d: unknown): void => {
      sequence++
      const payload: Payload = { op: 0, d, s: sequence, t, shard: 0 }
      recorder.onDispatch(payload)
    }
    const save = Effect.suspend(() =>
      sessions.set(
        new Session({
          id: "session",
          resumeUrl: "wss://gateway.discord.gg",
          sequence,
          shard,
          intents: 1,
          origin: "origin"
        })
      )
    )
    dispatch("READY", { session_id: "session" })
    const all = Array.from({ length: guilds }, (_, index) => usualGuild(index, channels))
    for (const one of all) dispatch("GUILD_CREATE", one)
    yield* save

    const snapshots = yield* (yield* GuildSnapshots).load(shard, "session")
    const bytes = (values: ReadonlyArray<unknown>) =>
      values.reduce<number>((sum, value) => sum + new TextEncoder().encode(JSON.stringify(value)).length, 0) /
      values.length

    const timed = Effect.fnUntraced(function* (t: string, dataOf: (n: number) => unknown, perSave: number) {
      const began = performance.now()
      for (let n = 0; n < events; n++) {
        dispatch(t, dataOf(n))
        if (n % perSave === perSave - 1) yield* save
      }
      return ((performance.now() - began) * 1000) / events
    })
    // Warm, then measured.
    const update = (n: number) => ({
      ...all[n % guilds]?.channels[n % channels],
      guild_id: all[n % guilds]?.id,
      name: `${n}`
    })
    yield* timed("CHANNEL_UPDATE", update, 100)
    const perGuildEvent = yield* timed("CHANNEL_UPDATE", update, 100)
    const message = { id: "1", guild_id: all[0]?.id, content: "hello" }
    yield* timed("MESSAGE_CREATE", () => message, events)
    const perOtherEvent = yield* timed("MESSAGE_CREATE", () => message, events)
    return {
      guilds: snapshots.length,
      channels,
      bytesOfCreate: bytes(all),
      bytesStored: bytes(snapshots),
      perGuildEvent,
      perOtherEvent
    } satisfies Cost
  }).pipe(
    Effect.provide(
      Layer.merge(
        GuildSnapshots.layerPersisted.pipe(Layer.provide(Persistence.layerBackingMemory)),
        SessionStore.layerMemory
      )
    )
  )
