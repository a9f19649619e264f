/**
 * Findings of `disruption-gateway doctor`: what each check says, and what to do about it. Pure functions of what Discord answered.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { durationText } from "../schema/DurationText.ts"
import type { GatewayInfo } from "../schema/GatewayInfo.ts"
import { Intents, type IntentName, namesOfIntents, privilegedIntentsIn } from "../schema/Intents.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import type { BotApplication } from "./BotApplication.ts"

/** Result of a check: all is well, something to know, or something that has to be mended. */
export interface Finding {
  readonly check: "configuration" | "connection" | "token" | "intents" | "shards" | "budget" | "clock"
  readonly level: "fine" | "advice" | "wrong"
  readonly text: string
}

type Config = GatewayConfig["Service"]

/** Guilds of a shard. Discord, "Sharding": https://discord.com/developers/docs/events/gateway#sharding */
const guildsOfShard = 2500

/**
 * Flags of an application that has an intent: one for bots with Discord's approval, one for bots with few users.
 *
 * Discord, "Application Flags": https://discord.com/developers/docs/resources/application#application-object-application-flags
 */
const flagsOf: Partial<Record<IntentName, number>> = {
  GUILD_PRESENCES: (1 << 12) | (1 << 13),
  GUILD_MEMBERS: (1 << 14) | (1 << 15),
  MESSAGE_CONTENT: (1 << 18) | (1 << 19)
}

const isEnabled = ({ flags = 0 }: BotApplication, intent: IntentName): boolean => (flags & (flagsOf[intent] ?? 0)) !== 0

/** The token is good: whose it is. */
export const ofToken = ({ id, name }: BotApplication): Finding => ({
  check: "token",
  level: "fine",
  text: `it is that of the application ${JSON.stringify(name)} (${id})`
})

/** Privileged intents that are asked for without being enabled end the connection; content that nobody asked for is empty. */
export const ofIntents = (config: Config, application: BotApplication): Finding => {
  const finding = (level: Finding["level"], text: string): Finding => ({ check: "intents", level, text })
  const missing = privilegedIntentsIn(config.intents).filter((intent) => !isEnabled(application, intent))
  if (missing.length > 0) {
    return finding(
      "wrong",
      `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} asked for, but not enabled: Discord will close with 4014. ` +
        `Enable it in the Developer Portal (https://discord.com/developers/applications/${application.id}/bot, Privileged ` +
        "Gateway Intents), or leave it out of DISCORD_INTENTS"
    )
  }
  const asksForMessages = (config.intents & Intents.GUILD_MESSAGES) !== 0
  if (asksForMessages && (config.intents & Intents.MESSAGE_CONTENT) === 0) {
    const enable = isEnabled(application, "MESSAGE_CONTENT") ? "" : "enable it in the Developer Portal and "
    return finding(
      "advice",
      "messages come without their content, but for those that concern the bot, as MESSAGE_CONTENT is not asked for. A bot " +
        `that needs it: ${enable}add it to DISCORD_INTENTS`
    )
  }
  const names = namesOfIntents(config.intents)
  return finding("fine", names.length === 0 ? "none are asked for" : `${names.join(", ")}: the bot may use all of them`)
}

/** The number of shards, beside what Discord recommends and prescribes. */
export const ofShards = (config: Config, info: GatewayInfo, application: Option.Option<BotApplication>): Finding => {
  const finding = (level: Finding["level"], text: string): Finding => ({ check: "shards", level, text })
  if (config.shards === "auto") return finding("fine", `auto: Discord recommends ${info.shards}`)
  const total = config.shards[0]?.total ?? 1
  const guilds = Option.getOrElse(
    Option.flatMap(application, ({ approximate_guild_count }) => Option.fromUndefinedOr(approximate_guild_count)),
    () => 0
  )
  if (guilds > total * guildsOfShard) {
    return finding(
      "wrong",
      `${total} for some ${guilds} guilds, of which a shard may have ${guildsOfShard}: Discord will close with 4011. Set ` +
        `DISCORD_SHARDS to auto, or to ${Math.max(info.shards, Math.ceil(guilds / guildsOfShard))}`
    )
  }
  if (total < info.shards) {
    return finding("advice", `${total}, where Discord recommends ${info.shards}. DISCORD_SHARDS=auto follows it`)
  }
  const here = config.shards.length === total ? "" : `, ${config.shards.length} of them in this process`
  return finding("fine", `${total}${here}; Discord recommends ${info.shards}`)
}

/** Rest of the day's IDENTIFYs, beside what a start takes. */
export const ofBudget = (config: Config, info: GatewayInfo): Finding => {
  const finding = (level: Finding["level"], text: string): Finding => ({ check: "budget", level, text })
  const { max_concurrency, remaining, reset_after, total } = info.session_start_limit
  const reserve = config.identifyReserve ?? Math.floor(total / 100)
  const start = config.shards === "auto" ? info.shards : config.shards.length
  const left = `${remaining} of the day's ${total} IDENTIFYs are left, new ones come in ${durationText(Duration.millis(reset_after))}`
  const what = "What uses them up is starting again and again without a store of sessions"
  if (remaining - reserve < start) {
    return finding("wrong", `${left}. A start takes ${start}, and ${reserve} stay untouched: it would wait. ${what}`)
  }
  if (remaining < total / 4) return finding("advice", `${left}. ${what}`)
  return finding("fine", `${left}; a start takes ${start}, ${max_concurrency} in 5 s`)
}

/** A clock may be off by so much before it matters. */
const tolerated = Duration.seconds(5)

/** Lead of the computer's clock over Discord's, in milliseconds; none where Discord did not tell the time. */
export const ofClock = (ahead: Option.Option<number>): Finding => {
  if (Option.isNone(ahead)) {
    return {
      check: "clock",
      level: "advice",
      text: "Discord did not tell the time, so nothing is known of this computer's"
    }
  }
  const off = Duration.millis(Math.abs(ahead.value))
  if (Duration.isLessThanOrEqualTo(off, tolerated)) {
    return { check: "clock", level: "fine", text: "it agrees with Discord's" }
  }
  return {
    check: "clock",
    level: "advice",
    text:
      `it is ${durationText(off)} ${ahead.value > 0 ? "ahead of" : "behind"} Discord's: times in logs are off, and far off no ` +
      "certificate is valid. Turn on the synchronization of time (NTP)"
  }
}
