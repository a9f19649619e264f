/**
 * Events of sample traffic, in the mix that a bot with the usual intents gets.
 */
import { channelIdOf, guild, guildSize, member, snowflake, snowflakeAt, user } from "./SampleData.ts"

/** Input of an event's generator. */
export interface Scene {
  readonly now: number
  /** Serial number of the event. */
  readonly serial: number
  /** Random integer from 0 to `limit - 1`. */
  readonly below: (limit: number) => number
}

interface EventKind {
  readonly name: string
  /** Relative frequency. */
  readonly share: number
  readonly make: (scene: Scene, guildIndex: number) => unknown
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

const someone = (scene: Scene, guildIndex: number): number => guildIndex + scene.below(guildSize)

const isoTime = (millis: number): string => new Date(millis).toISOString().replace("Z", "000+00:00")

const message = (scene: Scene, guildIndex: number) => {
  const { user: author, ...rest } = member(someone(scene, guildIndex))
  return {
    id: snowflakeAt(scene.now, scene.serial),
    type: 0,
    channel_id: channelIdOf(guildIndex),
    guild_id: snowflake(guildIndex),
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
}

const eventKinds: ReadonlyArray<EventKind> = [
  { name: "MESSAGE_CREATE", share: 25, make: message },
  {
    name: "MESSAGE_UPDATE",
    share: 4,
    make: (scene, guildIndex) => ({ ...message(scene, guildIndex), edited_timestamp: isoTime(scene.now) })
  },
  {
    name: "TYPING_START",
    share: 20,
    make: (scene, guildIndex) => {
      const who = member(someone(scene, guildIndex))
      return {
        channel_id: channelIdOf(guildIndex),
        guild_id: snowflake(guildIndex),
        user_id: who.user.id,
        timestamp: Math.floor(scene.now / 1000),
        member: who
      }
    }
  },
  {
    name: "PRESENCE_UPDATE",
    share: 30,
    make: (scene, guildIndex) => {
      const status = choose(scene, ["online", "idle", "dnd", "offline"])
      return {
        user: { id: user(someone(scene, guildIndex)).id },
        guild_id: snowflake(guildIndex),
        status,
        activities: [],
        client_status: status === "offline" ? {} : { desktop: status }
      }
    }
  },
  {
    name: "GUILD_MEMBER_UPDATE",
    share: 8,
    make: (scene, guildIndex) => ({ ...member(someone(scene, guildIndex)), guild_id: snowflake(guildIndex) })
  },
  {
    name: "MESSAGE_REACTION_ADD",
    share: 10,
    make: (scene, guildIndex) => {
      const who = member(someone(scene, guildIndex))
      return {
        user_id: who.user.id,
        channel_id: channelIdOf(guildIndex),
        guild_id: snowflake(guildIndex),
        message_id: snowflakeAt(scene.now - 60_000, scene.serial),
        member: who,
        emoji: { id: null, name: choose(scene, emojis) },
        burst: false,
        type: 0
      }
    }
  },
  {
    name: "VOICE_STATE_UPDATE",
    share: 2,
    make: (scene, guildIndex) => {
      const who = member(someone(scene, guildIndex))
      return {
        guild_id: snowflake(guildIndex),
        channel_id: scene.below(2) === 0 ? null : channelIdOf(guildIndex),
        user_id: who.user.id,
        member: who,
        session_id: scene.serial.toString(16).padStart(32, "0"),
        deaf: false,
        mute: false,
        self_deaf: false,
        self_mute: scene.below(2) === 0,
        self_video: false,
        suppress: false,
        request_to_speak_timestamp: null
      }
    }
  },
  { name: "GUILD_CREATE", share: 1, make: (_, guildIndex) => guild(guildIndex) }
]

const totalShare = eventKinds.reduce((sum, { share }) => sum + share, 0)

/** Random event in the guild of this index. */
export const randomEvent = (scene: Scene, guildIndex: number): { readonly t: string; readonly d: unknown } => {
  let drawn = scene.below(totalShare)
  for (const { make, name, share } of eventKinds) {
    if (drawn < share) return { t: name, d: make(scene, guildIndex) }
    drawn -= share
  }
  return { t: "MESSAGE_CREATE", d: message(scene, guildIndex) }
}
