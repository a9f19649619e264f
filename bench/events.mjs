// The events of a busy bot, with the fields and in the order in which Discord sends them.
import { makeRandom } from "./random.mjs"

const random = makeRandom(20260801)
const { below, between, chance, hex, pick, snowflake } = random

const words =
  "the of and to in is you that it was for on are with as his they at be this have from or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first been call who its now find long down day did get come made may part lol nice gg anyone here raid tonight patch build server ping role bot brb thx".split(
    " "
  )
const otherWords = "über größer señor naïve привет спасибо こんにちは ありがとう 안녕 😀 🎉 🔥 👍".split(" ")
const word = () => pick(chance(0.02) ? otherWords : words)
const sentence = (from, to) => Array.from({ length: between(from, to) }, word).join(" ")
const instant = () =>
  `2026-08-${String(between(10, 28))}T${String(between(10, 23))}:${String(between(10, 59))}:${String(between(10, 59))}.${String(between(100000, 999999))}+00:00`

const guilds = Array.from({ length: 50 }, snowflake)
const channels = Array.from({ length: 600 }, snowflake)
const roles = Array.from({ length: 300 }, snowflake)
const someRoles = (from, to) => Array.from({ length: between(from, to) }, () => pick(roles))

const user = () => ({
  username: `${pick(words)}_${pick(words)}${below(1000)}`,
  public_flags: pick([0, 0, 0, 64, 128, 256, 4194304]),
  primary_guild: chance(0.2)
    ? { tag: hex(4).toUpperCase(), identity_guild_id: snowflake(), identity_enabled: true, badge: hex(32) }
    : null,
  id: snowflake(),
  global_name: chance(0.8) ? sentence(1, 2) : null,
  display_name_styles: null,
  discriminator: "0",
  collectibles: null,
  clan: null,
  avatar_decoration_data: chance(0.15) ? { sku_id: snowflake(), expires_at: null, asset: `a_${hex(32)}` } : null,
  avatar: chance(0.9) ? hex(32) : null
})

const memberPart = () => ({
  roles: someRoles(1, 6),
  premium_since: chance(0.05) ? instant() : null,
  pending: false,
  nick: chance(0.3) ? sentence(1, 2) : null,
  mute: false,
  joined_at: instant(),
  flags: pick([0, 0, 2, 10]),
  deaf: false,
  communication_disabled_until: null,
  banner: null,
  avatar: null
})
const member = () => ({ user: user(), ...memberPart() })

const attachment = () => ({
  width: between(200, 1920),
  url: `https://cdn.discordapp.com/attachments/${pick(channels)}/${snowflake()}/image.png?ex=${hex(8)}&is=${hex(8)}&hm=${hex(64)}&`,
  size: between(10000, 900000),
  proxy_url: `https://media.discordapp.net/attachments/${pick(channels)}/${snowflake()}/image.png?ex=${hex(8)}&is=${hex(8)}&hm=${hex(64)}&`,
  placeholder_version: 1,
  placeholder: hex(24),
  id: snowflake(),
  height: between(200, 1080),
  filename: "image.png",
  content_type: "image/png",
  content_scan_version: 1
})

const embed = () => ({
  url: `https://www.example.com/watch?v=${hex(11)}`,
  type: "video",
  title: sentence(4, 9),
  thumbnail: {
    width: 1280,
    url: `https://i.example.com/vi/${hex(11)}/max.jpg`,
    proxy_url: `https://images-ext-1.discordapp.net/external/${hex(43)}/https/i.example.com/vi/max.jpg`,
    height: 720,
    flags: 0
  },
  description: sentence(10, 30),
  color: 16711680,
  author: { url: `https://www.example.com/channel/${hex(24)}`, name: sentence(1, 3) }
})

const message = (more = {}) => ({
  type: 0,
  tts: false,
  timestamp: instant(),
  pinned: false,
  nonce: snowflake(),
  mentions: chance(0.15) ? [{ ...user(), member: memberPart() }] : [],
  mention_roles: [],
  mention_everyone: false,
  member: memberPart(),
  id: snowflake(),
  flags: 0,
  embeds: chance(0.08) ? [embed()] : [],
  edited_timestamp: null,
  content: sentence(1, 20),
  components: [],
  channel_type: 0,
  channel_id: pick(channels),
  author: user(),
  attachments: chance(0.1) ? [attachment()] : [],
  guild_id: pick(guilds),
  ...more
})

const activity = () => ({
  type: pick([0, 0, 2, 4]),
  timestamps: { start: 1785500000000 + below(90000000) },
  state: sentence(2, 5),
  session_id: hex(32),
  name: pick(["Visual Studio Code", "Spotify", "Counter-Strike 2", "League of Legends", "Custom Status", "Minecraft"]),
  id: hex(16),
  details: sentence(2, 6),
  created_at: 1785500000000 + below(90000000),
  ...(chance(0.4)
    ? {
        assets: {
          small_text: sentence(1, 2),
          small_image: snowflake(),
          large_text: sentence(1, 4),
          large_image: snowflake()
        },
        application_id: snowflake()
      }
    : {})
})

const presence = () => {
  const status = pick(["online", "idle", "dnd", "offline"])
  return {
    user: { id: snowflake() },
    status,
    processed_at_timestamp: 1785500000000 + below(90000000),
    guild_id: pick(guilds),
    client_status: status === "offline" ? {} : { [pick(["desktop", "web", "mobile"])]: status },
    activities: Array.from({ length: pick([0, 0, 1, 1, 2]) }, activity)
  }
}

const typing = () => {
  const who = member()
  return {
    user_id: who.user.id,
    timestamp: 1785500000 + below(90000),
    member: who,
    channel_id: pick(channels),
    guild_id: pick(guilds)
  }
}

const memberUpdate = () => ({
  user: user(),
  roles: someRoles(2, 9),
  premium_since: null,
  pending: false,
  nick: chance(0.4) ? sentence(1, 2) : null,
  mute: false,
  joined_at: instant(),
  guild_id: pick(guilds),
  flags: 0,
  deaf: false,
  communication_disabled_until: null,
  banner: null,
  avatar: null
})

const reaction = () => {
  const who = member()
  return {
    user_id: who.user.id,
    type: 0,
    message_id: snowflake(),
    message_author_id: snowflake(),
    member: who,
    emoji: chance(0.5) ? { name: pick(["👍", "🔥", "😀", "🎉"]), id: null } : { name: pick(words), id: snowflake() },
    channel_id: pick(channels),
    burst: false,
    guild_id: pick(guilds)
  }
}

const voiceState = () => {
  const who = member()
  return {
    member: who,
    user_id: who.user.id,
    suppress: false,
    session_id: hex(32),
    self_video: false,
    self_mute: chance(0.4),
    self_deaf: chance(0.2),
    request_to_speak_timestamp: null,
    mute: false,
    guild_id: pick(guilds),
    deaf: false,
    channel_id: chance(0.8) ? pick(channels) : null
  }
}

const role = () => ({
  version: 1785500000000 + below(90000000),
  unicode_emoji: null,
  tags: {},
  position: below(60),
  permissions: "1071698660929",
  name: sentence(1, 2),
  mentionable: false,
  managed: false,
  id: snowflake(),
  icon: null,
  hoist: chance(0.2),
  flags: 0,
  colors: { tertiary_color: null, secondary_color: null, primary_color: below(16777215) },
  color: below(16777215)
})

const channel = () => ({
  version: 1785500000000 + below(90000000),
  type: pick([0, 0, 0, 2, 4]),
  topic: chance(0.3) ? sentence(5, 20) : null,
  rate_limit_per_user: 0,
  position: below(60),
  permission_overwrites: Array.from({ length: between(0, 4) }, () => ({
    type: 0,
    id: snowflake(),
    deny: String(below(4096)),
    allow: String(below(4096))
  })),
  parent_id: snowflake(),
  name: sentence(1, 2),
  last_message_id: snowflake(),
  id: snowflake(),
  flags: 0
})

/** A guild of about so many bytes: a third of them channels, some roles, the rest members. */
const guild = (bytes) => {
  const channelBytes = 420
  const roleBytes = 340
  const memberBytes = 560
  return {
    version: 1785500000000 + below(90000000),
    large: true,
    member_count: between(300, 90000),
    joined_at: instant(),
    verification_level: 2,
    system_channel_flags: 0,
    preferred_locale: "en-US",
    premium_tier: 1,
    owner_id: snowflake(),
    nsfw_level: 0,
    name: sentence(1, 4),
    icon: hex(32),
    description: null,
    channels: Array.from({ length: Math.round((bytes * 0.35) / channelBytes) }, channel),
    roles: Array.from({ length: Math.round((bytes * 0.2) / roleBytes) }, role),
    members: Array.from({ length: Math.round((bytes * 0.45) / memberBytes) }, member),
    emojis: [],
    stickers: [],
    threads: [],
    voice_states: [],
    presences: [],
    features: ["COMMUNITY", "NEWS", "ANIMATED_ICON", "INVITE_SPLASH"],
    afk_timeout: 300,
    id: pick(guilds),
    unavailable: false
  }
}

/** Names and shares, in percent. */
const mix = [
  ["MESSAGE_CREATE", 25, message],
  ["PRESENCE_UPDATE", 36, presence],
  ["TYPING_START", 8, typing],
  ["GUILD_MEMBER_UPDATE", 8, memberUpdate],
  ["MESSAGE_REACTION_ADD", 9, reaction],
  ["VOICE_STATE_UPDATE", 8, voiceState],
  ["MESSAGE_UPDATE", 3, () => message({ edited_timestamp: instant() })],
  ["MESSAGE_DELETE", 3, () => ({ id: snowflake(), channel_id: pick(channels), guild_id: pick(guilds) })]
]
const hundred = mix.flatMap(([name, share, make]) => Array.from({ length: share }, () => [name, make]))

/** The id of the message that comes last, and that of the one in the middle of a long stream. */
export const marker = "1000000000000000000"
export const halfway = "1000000000000000001"

/** 100,050 events: one in four a message, fifty guilds of 10 to 60 KB, and at the end a message with this id. */
function* busyDay(lastId) {
  random.restart()
  for (let i = 0; i < 50; i++) {
    yield ["GUILD_CREATE", guild(between(10, 60) * 1000)]
    for (let j = 0; j < 2000; j++) {
      const [name, make] = pick(hundred)
      if (i === 49 && j === 1999) yield ["MESSAGE_CREATE", message({ id: lastId })]
      else yield [name, make()]
    }
  }
}

export const busyBot = () => busyDay(marker)

/** The same twice. */
export function* busyBotTwice() {
  yield* busyDay(halfway)
  yield* busyDay(marker)
}

/** 500 guilds of 60 KB, and the marker. */
export function* manyGuilds() {
  random.restart()
  for (let i = 0; i < 500; i++) yield ["GUILD_CREATE", guild(60_000)]
  yield ["MESSAGE_CREATE", message({ id: marker })]
}

/** Messages without an end; `nonce` is where the time of sending goes. */
export function* messages() {
  random.restart()
  while (true) yield ["MESSAGE_CREATE", message()]
}
