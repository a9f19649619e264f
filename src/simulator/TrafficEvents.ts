/**
 * Events of sample traffic, in the mix that a bot with the usual intents gets.
 *
 * Edits, deletions, reactions and voice states follow from what was dispatched before: nothing is deleted that was not sent.
 */
import * as Predicate from "effect/Predicate"
import { guild, textChannelOf, voiceChannelOf } from "./SampleGuild.ts"
import { guildSize, member, user } from "./SampleMembers.ts"
import { snowflake, snowflakeAt } from "./Snowflakes.ts"
import type { GuildHistory, SentMessage } from "./TrafficHistory.ts"

/** Input of an event's generator. */
export interface Scene {
  readonly now: number
  /** Serial number of the event. */
  readonly serial: number
  /** Random integer from 0 to `limit - 1`. */
  readonly below: (limit: number) => number
  readonly guildIndex: number
  /** Earlier events of the guild. */
  readonly history: GuildHistory
}

/** Event of the traffic. */
export interface TrafficEvent {
  readonly t: string
  readonly d: unknown
}

interface EventKind {
  /** Relative frequency. */
  readonly share: number
  readonly make: (scene: Scene) => TrafficEvent | ReadonlyArray<TrafficEvent>
}

const sentences = [
  "hey, is anyone up for a game tonight?",
  "that worked, thank you!",
  "I'll be there in five minutes",
  "has someone tried the new build yet?",
  "lol",
  "the second chapter is so much better than the first",
  "https://example.com/this-explains-it",
  "can you post the recipe?",
  "good morning everyone ☀️",
  "wait, what? 😄"
]

const emojis = ["👍", "❤️", "😂", "🎉", "👀"]

const choose = <A>(scene: Scene, choices: ReadonlyArray<A>): A | undefined => choices[scene.below(choices.length)]

const someone = (scene: Scene): number => scene.guildIndex + scene.below(guildSize)

const isoTime = (millis: number): string => new Date(millis).toISOString().replace("Z", "000+00:00")

const placeOf = ({ guildIndex }: Scene) => ({
  channel_id: textChannelOf(guildIndex),
  guild_id: snowflake(guildIndex)
})

const sendMessage = (scene: Scene): TrafficEvent => {
  const { user: author, ...rest } = member(someone(scene))
  const id = snowflakeAt(scene.now, scene.serial)
  const d = {
    id,
    type: 0,
    ...placeOf(scene),
    author,
    member: rest,
    content: choose(scene, sentences),
    timestamp: isoTime(scene.now),
    edited_timestamp: null,
    tts: false,
    mention_everyone: false,
    mentions: [],
    mention_roles: [],
    attachments: [],
    embeds: [],
    components: [],
    pinned: false,
    flags: 0
  }
  scene.history.sent(id, d)
  return { t: "MESSAGE_CREATE", d }
}

/** Kind of event about a message that was sent. Before the first message it sends one. */
const about =
  (make: (scene: Scene, message: SentMessage) => TrafficEvent) =>
  (scene: Scene): TrafficEvent => {
    const message = choose(scene, scene.history.messages)
    return message === undefined ? sendMessage(scene) : make(scene, message)
  }

const edit = about((scene, message) => {
  message.d = { ...message.d, content: choose(scene, sentences), edited_timestamp: isoTime(scene.now) }
  return { t: "MESSAGE_UPDATE", d: message.d }
})

const remove = about((scene, message) => {
  scene.history.deleted(message)
  return { t: "MESSAGE_DELETE", d: { id: message.id, ...placeOf(scene) } }
})

/** Adds a reaction, or takes it back. */
const react = about((scene, { d: { author }, id, reactions }) => {
  const who = member(someone(scene))
  const name = choose(scene, emojis)
  const reaction = {
    user_id: who.user.id,
    ...placeOf(scene),
    message_id: id,
    emoji: { id: null, name },
    burst: false,
    type: 0
  }
  const key = `${who.user.id} ${name}`
  if (reactions.delete(key)) return { t: "MESSAGE_REACTION_REMOVE", d: reaction }
  reactions.add(key)
  const writer = Predicate.hasProperty(author, "id") ? { message_author_id: author.id } : {}
  return { t: "MESSAGE_REACTION_ADD", d: { ...reaction, member: who, ...writer, burst_colors: [] } }
})

/** Joins the voice channel, or leaves it, or mutes and unmutes oneself there. */
const speak = (scene: Scene): TrafficEvent => {
  const { guildIndex, history } = scene
  const index = someone(scene)
  const before = history.voiceStates.get(index)
  const leaves = before !== undefined && scene.below(2) === 0
  const state = {
    ...voiceState(scene, index),
    ...before,
    channel_id: leaves ? null : voiceChannelOf(guildIndex),
    self_mute: !leaves && before !== undefined && before["self_mute"] === false
  }
  if (leaves) history.voiceStates.delete(index)
  else history.voiceStates.set(index, state)
  return { t: "VOICE_STATE_UPDATE", d: { ...state, guild_id: snowflake(guildIndex), member: member(index) } }
}

const voiceState = (scene: Scene, index: number) => ({
  user_id: user(index).id,
  session_id: scene.serial.toString(16).padStart(32, "0"),
  deaf: false,
  mute: false,
  self_deaf: false,
  self_video: false,
  suppress: false,
  request_to_speak_timestamp: null
})

/** Outage of a guild that ends at once. */
const outage = ({ guildIndex, history }: Scene): ReadonlyArray<TrafficEvent> => [
  { t: "GUILD_DELETE", d: { id: snowflake(guildIndex), unavailable: true } },
  { t: "GUILD_CREATE", d: guild(guildIndex, [...history.voiceStates.values()]) }
]

const type = (scene: Scene): TrafficEvent => {
  const who = member(someone(scene))
  return {
    t: "TYPING_START",
    d: { ...placeOf(scene), user_id: who.user.id, timestamp: Math.floor(scene.now / 1000), member: who }
  }
}

const changePresence = (scene: Scene): TrafficEvent => {
  const status = choose(scene, ["online", "idle", "dnd", "offline"])
  return {
    t: "PRESENCE_UPDATE",
    d: {
      user: { id: user(someone(scene)).id },
      guild_id: snowflake(scene.guildIndex),
      status,
      activities: [],
      client_status: status === "offline" ? {} : { desktop: status }
    }
  }
}

const updateMember = (scene: Scene): TrafficEvent => ({
  t: "GUILD_MEMBER_UPDATE",
  d: { ...member(someone(scene)), guild_id: snowflake(scene.guildIndex) }
})

const eventKinds: ReadonlyArray<EventKind> = [
  { share: 25, make: sendMessage },
  { share: 3, make: edit },
  { share: 1, make: remove },
  { share: 20, make: type },
  { share: 30, make: changePresence },
  { share: 8, make: updateMember },
  { share: 10, make: react },
  { share: 2, make: speak },
  { share: 1, make: outage }
]

const totalShare = eventKinds.reduce((sum, { share }) => sum + share, 0)

/** Random event in the guild of the scene, or two that belong together. */
export const randomEvents = (scene: Scene): ReadonlyArray<TrafficEvent> => {
  let drawn = scene.below(totalShare)
  for (const { make, share } of eventKinds) {
    if (drawn < share) return [make(scene)].flat()
    drawn -= share
  }
  return [sendMessage(scene)]
}
