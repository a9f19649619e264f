/**
 * Guilds of the bot: those that it is in, as the events that were dispatched have left them, and how many of them a shard has.
 *
 * A guild is made of its index when it is first asked for, so ten thousand of them cost nothing before.
 */
import * as Predicate from "effect/Predicate"
import { shardOfGuild } from "../schema/ShardId.ts"
import { guild } from "./SampleGuild.ts"
import { snowflake } from "./Snowflakes.ts"

/**
 * Guild in the form of GUILD_CREATE, as the events have left it: its channels, threads, roles, emojis, stickers, sounds, stages,
 * scheduled events and settings. Members, presences and voice states are those of its beginning.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatedGuild {
  readonly id: string
  readonly [name: string]: unknown
}

interface Kept {
  readonly index: number | undefined
  /** Made when it is first asked for. */
  state: Record<string, unknown> | undefined
  isAvailable: boolean
}

/** Lists of a guild by the events about one of their entries: the list, the key of an entry, and where the event has the entry. */
const entries: ReadonlyArray<readonly [prefix: string, list: string, key: string]> = [
  ["CHANNEL", "channels", "id"],
  ["THREAD", "threads", "id"],
  ["STAGE_INSTANCE", "stage_instances", "id"],
  ["GUILD_SCHEDULED_EVENT", "guild_scheduled_events", "id"],
  ["GUILD_SOUNDBOARD_SOUND", "soundboard_sounds", "sound_id"]
]

const replacedLists: Readonly<Record<string, string>> = {
  GUILD_EMOJIS_UPDATE: "emojis",
  GUILD_STICKERS_UPDATE: "stickers",
  GUILD_SOUNDBOARD_SOUNDS_UPDATE: "soundboard_sounds"
}

/** The guilds of the simulated bot. */
export class Guilds {
  private readonly kept = new Map<string, Kept>()
  private joined = 0

  constructor(count: number) {
    this.join(count)
  }

  get size(): number {
    return this.kept.size
  }

  /** Joins so many more guilds, and returns their ids. */
  join(count: number): ReadonlyArray<string> {
    return Array.from({ length: count }, () => {
      const index = this.joined++
      const id = snowflake(index)
      this.kept.set(id, { index, state: undefined, isAvailable: true })
      return id
    })
  }

  /** A guild that the bot is in and that is available. */
  get(id: string): SimulatedGuild | undefined {
    const kept = this.kept.get(id)
    if (kept === undefined || !kept.isAvailable) return undefined
    return { ...this.stateOf(kept), id }
  }

  /** All guilds that are available. */
  all(): ReadonlyArray<SimulatedGuild> {
    return [...this.kept.keys()].flatMap((id) => this.get(id) ?? [])
  }

  /** Ids of a shard's guilds. */
  ofShard([id, total]: readonly [id: number, total: number]): ReadonlyArray<string> {
    return [...this.kept.keys()].filter((guild) => shardOfGuild(guild, total) === id)
  }

  /** An event is dispatched. */
  apply(event: string, d: unknown): void {
    if (!Predicate.hasProperty(d, "id") && !Predicate.hasProperty(d, "guild_id")) return
    const data: Record<string, unknown> = { ...d }
    if (event === "GUILD_CREATE" || event === "GUILD_DELETE") return this.comeOrGo(event, data)
    const kept = this.kept.get(String(event === "GUILD_UPDATE" ? data["id"] : data["guild_id"]))
    if (kept !== undefined && isOfGuild(event)) this.stateOf(kept, (state) => change(state, event, data))
  }

  private comeOrGo(event: string, data: Record<string, unknown>): void {
    const id = String(data["id"])
    const kept = this.kept.get(id)
    if (event === "GUILD_CREATE") {
      if (!/^\d+$/.test(id) || data["unavailable"] === true) return
      this.kept.set(id, { index: kept?.index, state: structuredClone(data), isAvailable: true })
    } else if (data["unavailable"] === true) {
      if (kept !== undefined) kept.isAvailable = false
    } else this.kept.delete(id)
  }

  private stateOf(kept: Kept, change?: (state: Record<string, unknown>) => void): Record<string, unknown> {
    const state = kept.state ?? { ...guild(kept.index ?? 0) }
    if (change !== undefined) {
      change(state)
      kept.state = state
    }
    return state
  }
}

const isOfGuild = (event: string): boolean =>
  event === "GUILD_UPDATE" ||
  event === "THREAD_LIST_SYNC" ||
  event === "CHANNEL_PINS_UPDATE" ||
  event === "THREAD_MEMBERS_UPDATE" ||
  event.startsWith("GUILD_ROLE_") ||
  event.startsWith("GUILD_MEMBER_") ||
  event in replacedLists ||
  entries.some(([prefix]) => endingOf(event, prefix) !== undefined)

const endingOf = (event: string, prefix: string): string | undefined =>
  ["CREATE", "UPDATE", "DELETE"].find((ending) => event === `${prefix}_${ending}`)

type List = Array<Record<string, unknown>>

const listOf = (state: Record<string, unknown>, name: string): List => {
  const list = state[name]
  const copy: List = Array.isArray(list) ? [...list] : []
  state[name] = copy
  return copy
}

const write = (list: List, key: string, entry: Record<string, unknown>): void => {
  const place = list.findIndex((other) => other[key] === entry[key])
  if (place < 0) list.push(entry)
  else list[place] = entry
}

const erase = (list: List, doomed: (entry: Record<string, unknown>) => boolean): void => {
  for (let place = list.length - 1; place >= 0; place--) {
    const entry = list[place]
    if (entry !== undefined && doomed(entry)) list.splice(place, 1)
  }
}

const change = (state: Record<string, unknown>, event: string, data: Record<string, unknown>): void => {
  const d = structuredClone(data)
  const replaced = replacedLists[event]
  if (replaced !== undefined) state[replaced] = d[replaced]
  else if (event === "GUILD_UPDATE") Object.assign(state, d)
  else if (event === "GUILD_ROLE_DELETE") erase(listOf(state, "roles"), ({ id }) => id === d["role_id"])
  else if (event === "GUILD_ROLE_CREATE" || event === "GUILD_ROLE_UPDATE") {
    if (Predicate.isObject(d["role"])) write(listOf(state, "roles"), "id", { ...d["role"] })
  } else if (event === "GUILD_MEMBER_ADD" || event === "GUILD_MEMBER_REMOVE") {
    state["member_count"] = Number(state["member_count"]) + (event === "GUILD_MEMBER_ADD" ? 1 : -1)
  } else if (event === "CHANNEL_PINS_UPDATE") {
    for (const entry of [...listOf(state, "channels"), ...listOf(state, "threads")]) {
      if (entry["id"] === d["channel_id"]) entry["last_pin_timestamp"] = d["last_pin_timestamp"] ?? null
    }
  } else if (event === "THREAD_MEMBERS_UPDATE") {
    for (const thread of listOf(state, "threads"))
      if (thread["id"] === d["id"]) thread["member_count"] = d["member_count"]
  } else if (event === "THREAD_LIST_SYNC") {
    const { channel_ids, threads } = d
    const isSynced = (parent: unknown) => !Array.isArray(channel_ids) || channel_ids.includes(parent)
    erase(listOf(state, "threads"), ({ parent_id }) => isSynced(parent_id))
    if (Array.isArray(threads)) state["threads"] = [...listOf(state, "threads"), ...threads]
  } else for (const entry of entries) changeEntry(state, event, d, entry)
}

const changeEntry = (
  state: Record<string, unknown>,
  event: string,
  d: Record<string, unknown>,
  [prefix, name, key]: (typeof entries)[number]
): void => {
  const ending = endingOf(event, prefix)
  if (ending === undefined) return
  const list = listOf(state, name)
  const isOver =
    ending === "DELETE" ||
    (name === "guild_scheduled_events" && (d["status"] === 3 || d["status"] === 4)) ||
    (name === "threads" &&
      Predicate.hasProperty(d["thread_metadata"], "archived") &&
      d["thread_metadata"].archived === true)
  if (!isOver) {
    delete d["newly_created"]
    return write(list, key, name === "threads" ? { ...list.find((thread) => thread[key] === d[key]), ...d } : d)
  }
  erase(list, (entry) => entry[key] === d[key])
  // The threads of a channel end with it.
  if (name === "channels") erase(listOf(state, "threads"), ({ parent_id }) => parent_id === d[key])
}
