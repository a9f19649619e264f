/**
 * A change of one of the simulated bot's guilds: an event of a channel, a role, a thread, and all else that a guild has.
 */
import * as Effect from "effect/Effect"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import type { SimulatedGuild } from "../../src/simulator/Guilds.ts"
import type * as Dice from "../simulation/Dice.ts"

type Draw = ReturnType<typeof Dice.make>

let serial = 0
const freshId = () => String(9_000_000_000 + serial++)

const listOf = (guild: SimulatedGuild, name: string): ReadonlyArray<Record<string, unknown>> => {
  const list = guild[name]
  return Array.isArray(list) ? list : []
}

/** Creates, changes or removes an entry of a list. */
const entry =
  (prefix: string, list: string, make: (name: string) => Record<string, unknown>, key = "id") =>
  (guild: SimulatedGuild, dice: Draw) => {
    const { id: guild_id } = guild
    const known = listOf(guild, list)
    const old = known[dice.integer(0, Math.max(0, known.length - 1))]
    if (old === undefined || dice.chance(0.4))
      return [`${prefix}_CREATE`, { [key]: freshId(), guild_id, ...make("new") }] as const
    if (dice.chance(0.6)) return [`${prefix}_UPDATE`, { ...old, guild_id, ...make(`changed ${serial++}`) }] as const
    return [`${prefix}_DELETE`, { [key]: old[key], guild_id }] as const
  }

const parentOf = (guild: SimulatedGuild) => listOf(guild, "channels")[0]?.["id"] ?? "1"

const kinds = [
  entry("CHANNEL", "channels", (name) => ({ type: 0, name, position: serial++ })),
  entry("STAGE_INSTANCE", "stage_instances", (topic) => ({ topic, privacy_level: 2 })),
  entry("GUILD_SCHEDULED_EVENT", "guild_scheduled_events", (name) => ({ name, status: 1 + (serial++ % 4) })),
  entry("GUILD_SOUNDBOARD_SOUND", "soundboard_sounds", (name) => ({ name, volume: 1 }), "sound_id"),
  (guild: SimulatedGuild, dice: Draw) => {
    const archived = dice.chance(0.2)
    const more = (name: string) => ({ name, parent_id: parentOf(guild), type: 11, thread_metadata: { archived } })
    return entry("THREAD", "threads", more)(guild, dice)
  },
  (guild: SimulatedGuild, dice: Draw) => {
    const roles = listOf(guild, "roles")
    const old = roles[dice.integer(0, Math.max(0, roles.length - 1))]
    if (old === undefined || dice.chance(0.4)) {
      return [
        "GUILD_ROLE_CREATE",
        { guild_id: guild.id, role: { id: freshId(), name: "new", permissions: "0" } }
      ] as const
    }
    if (dice.chance(0.6)) {
      return ["GUILD_ROLE_UPDATE", { guild_id: guild.id, role: { ...old, name: `role ${serial++}` } }] as const
    }
    return ["GUILD_ROLE_DELETE", { guild_id: guild.id, role_id: old["id"] }] as const
  },
  (guild: SimulatedGuild) => {
    const { channels: _, threads: _threads, members: _members, ...settings } = guild
    return ["GUILD_UPDATE", { ...settings, name: `guild ${serial++}` }] as const
  },
  (guild: SimulatedGuild) =>
    ["GUILD_EMOJIS_UPDATE", { guild_id: guild.id, emojis: [{ id: freshId(), name: "wave" }] }] as const,
  (guild: SimulatedGuild) =>
    ["GUILD_STICKERS_UPDATE", { guild_id: guild.id, stickers: [{ id: freshId(), name: "hello" }] }] as const,
  (guild: SimulatedGuild) =>
    [
      "CHANNEL_PINS_UPDATE",
      { guild_id: guild.id, channel_id: parentOf(guild), last_pin_timestamp: `${serial++}` }
    ] as const,
  (guild: SimulatedGuild) =>
    [
      "THREAD_LIST_SYNC",
      {
        guild_id: guild.id,
        channel_ids: [parentOf(guild)],
        threads: [{ id: freshId(), parent_id: parentOf(guild) }],
        members: []
      }
    ] as const,
  (guild: SimulatedGuild, dice: Draw) =>
    dice.chance(0.5)
      ? (["GUILD_MEMBER_ADD", { guild_id: guild.id, user: { id: freshId() }, roles: [] }] as const)
      : (["GUILD_MEMBER_REMOVE", { guild_id: guild.id, user: { id: freshId() } }] as const)
]

/** Dispatches a change of a guild; now and then one is joined, left, or has an outage. */
export const randomChange = Effect.fnUntraced(function* (dice: Draw) {
  const simulator = yield* DiscordSimulator
  const guilds = yield* simulator.guilds
  const guild = guilds[dice.integer(0, Math.max(0, guilds.length - 1))]
  const chance = dice.integer(0, 99)
  if (guild === undefined || chance < 6) return yield* Effect.asVoid(simulator.joinGuilds(1))
  const dispatch = (name: string, d: unknown) => simulator.dispatch(name, d, { guild: guild.id })
  if (chance < 8) return yield* Effect.asVoid(dispatch("GUILD_DELETE", { id: guild.id }))
  if (chance < 12) {
    yield* dispatch("GUILD_DELETE", { id: guild.id, unavailable: true })
    if (dice.chance(0.8)) yield* dispatch("GUILD_CREATE", guild)
    return
  }
  const kind = kinds[dice.integer(0, kinds.length - 1)]
  if (kind === undefined) return
  const [name, d] = kind(guild, dice)
  yield* dispatch(name, d)
})
