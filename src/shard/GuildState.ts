/**
 * A guild as its events leave it: the data of GUILD_CREATE, and what each event changes in it.
 *
 * Left out are members, presences and voice states, which change all the time and are asked for (op 8) by who needs them.
 *
 * Discord, "Guild Create": https://discord.com/developers/docs/events/gateway-events#guild-create
 */
import * as Predicate from "effect/Predicate"

/** Data of a guild or of an event. */
export type Data = Readonly<Record<string, unknown>>

/** The parts of GUILD_CREATE that are not kept. */
const leftOut: ReadonlySet<string> = new Set(["members", "presences", "voice_states"])

/** The parts of a GUILD_CREATE that are kept. */
export const compact = (d: Data): Data => Object.fromEntries(Object.entries(d).filter(([name]) => !leftOut.has(name)))

/** The data of a GUILD_CREATE from what was kept: the parts that were not kept are there, and empty. */
export const restored = (guild: Data): Data => ({ ...guild, members: [], presences: [], voice_states: [] })

type Change = (guild: Data, d: Data) => Data

const listOf = (guild: Data, name: string): ReadonlyArray<unknown> => {
  const list = guild[name]
  return Array.isArray(list) ? list : []
}

const isOf = (entity: unknown, id: unknown, key = "id"): boolean =>
  Predicate.hasProperty(entity, key) && entity[key] === id

/** Puts an entity in the place of the one with its id, or at the end. */
const put = (guild: Data, name: string, entity: Data, key = "id"): Data => {
  const list = listOf(guild, name)
  const place = list.findIndex((other) => isOf(other, entity[key], key))
  return { ...guild, [name]: place < 0 ? [...list, entity] : list.with(place, entity) }
}

const take = (guild: Data, name: string, id: unknown, key = "id"): Data => ({
  ...guild,
  [name]: listOf(guild, name).filter((other) => !isOf(other, id, key))
})

const putting =
  (name: string, key?: string): Change =>
  (guild, d) =>
    put(guild, name, d, key)

const taking =
  (name: string, key?: string): Change =>
  (guild, d) =>
    take(guild, name, d[key ?? "id"], key)

const setting =
  (name: string): Change =>
  (guild, d) => ({ ...guild, [name]: listOf(d, name) })

/** Changes a thread or a channel that is there, by its id. */
const touch = (guild: Data, name: string, id: unknown, change: (entity: Data) => Data): Data => ({
  ...guild,
  [name]: listOf(guild, name).map((entity) =>
    isOf(entity, id) && Predicate.isObject(entity) ? change({ ...entity }) : entity
  )
})

/** Only active threads are of a GUILD_CREATE. */
const putThread: Change = (guild, event) => {
  const d = Object.fromEntries(Object.entries(event).filter(([name]) => name !== "newly_created"))
  const { thread_metadata: metadata } = d
  if (Predicate.hasProperty(metadata, "archived") && metadata.archived === true) return take(guild, "threads", d["id"])
  const before = listOf(guild, "threads").find((thread) => isOf(thread, d["id"]))
  return put(guild, "threads", Predicate.isObject(before) ? { ...before, ...d } : d)
}

const syncThreads: Change = (guild, d) => {
  const parents = Array.isArray(d["channel_ids"]) ? new Set<unknown>(d["channel_ids"]) : undefined
  const others = listOf(guild, "threads").filter(
    (thread) => parents !== undefined && Predicate.hasProperty(thread, "parent_id") && !parents.has(thread.parent_id)
  )
  return { ...guild, threads: [...others, ...listOf(d, "threads")] }
}

const removeChannel: Change = (guild, d) => ({
  ...take(guild, "channels", d["id"]),
  threads: listOf(guild, "threads").filter((thread) => !isOf(thread, d["id"], "parent_id"))
})

const pin: Change = (guild, { channel_id, last_pin_timestamp = null }) =>
  ["channels", "threads"].reduce(
    (changed, name) => touch(changed, name, channel_id, (entity) => ({ ...entity, last_pin_timestamp })),
    guild
  )

/** Scheduled events that are over (3) or were called off (4) are of no GUILD_CREATE. */
const putScheduledEvent: Change = (guild, d) =>
  d["status"] === 3 || d["status"] === 4
    ? take(guild, "guild_scheduled_events", d["id"])
    : put(guild, "guild_scheduled_events", d)

const roleOf = (d: Data): Data => (Predicate.isObject(d["role"]) ? { ...d["role"] } : {})

const counting =
  (by: number): Change =>
  (guild) =>
    Predicate.isNumber(guild["member_count"]) ? { ...guild, member_count: guild["member_count"] + by } : guild

/** Changes of a guild, by the names of the events. GUILD_CREATE and GUILD_DELETE make and end one. */
const changes: Readonly<Record<string, Change>> = {
  GUILD_UPDATE: (guild, d) => ({ ...guild, ...compact(d) }),
  GUILD_ROLE_CREATE: (guild, d) => put(guild, "roles", roleOf(d)),
  GUILD_ROLE_UPDATE: (guild, d) => put(guild, "roles", roleOf(d)),
  GUILD_ROLE_DELETE: (guild, d) => take(guild, "roles", d["role_id"]),
  GUILD_EMOJIS_UPDATE: setting("emojis"),
  GUILD_STICKERS_UPDATE: setting("stickers"),
  GUILD_SOUNDBOARD_SOUND_CREATE: putting("soundboard_sounds", "sound_id"),
  GUILD_SOUNDBOARD_SOUND_UPDATE: putting("soundboard_sounds", "sound_id"),
  GUILD_SOUNDBOARD_SOUND_DELETE: taking("soundboard_sounds", "sound_id"),
  GUILD_SOUNDBOARD_SOUNDS_UPDATE: setting("soundboard_sounds"),
  GUILD_MEMBER_ADD: counting(1),
  GUILD_MEMBER_REMOVE: counting(-1),
  CHANNEL_CREATE: putting("channels"),
  CHANNEL_UPDATE: putting("channels"),
  CHANNEL_DELETE: removeChannel,
  CHANNEL_PINS_UPDATE: pin,
  THREAD_CREATE: putThread,
  THREAD_UPDATE: putThread,
  THREAD_DELETE: taking("threads"),
  THREAD_LIST_SYNC: syncThreads,
  THREAD_MEMBERS_UPDATE: (guild, { id, member_count }) =>
    touch(guild, "threads", id, (thread) => ({ ...thread, member_count })),
  STAGE_INSTANCE_CREATE: putting("stage_instances"),
  STAGE_INSTANCE_UPDATE: putting("stage_instances"),
  STAGE_INSTANCE_DELETE: taking("stage_instances"),
  GUILD_SCHEDULED_EVENT_CREATE: putScheduledEvent,
  GUILD_SCHEDULED_EVENT_UPDATE: putScheduledEvent,
  GUILD_SCHEDULED_EVENT_DELETE: taking("guild_scheduled_events")
}

/** Names of the events that are in a guild's state. */
export const guildEvents: ReadonlySet<string> = new Set(["GUILD_CREATE", "GUILD_DELETE", ...Object.keys(changes)])

/** The guild after an event of it. */
export const applied = (guild: Data, name: string, d: Data): Data => changes[name]?.(guild, d) ?? guild
