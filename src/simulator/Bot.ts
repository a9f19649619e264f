/**
 * The bot: its user, and a token like a real one.
 */
import * as Base64Url from "effect/encoding/Base64Url"
import { snowflake } from "./Snowflakes.ts"

/** Id of the bot, and of its application. */
export const applicationId = snowflake(0)

/** User of the bot, as others see it. */
export const botUser = {
  id: applicationId,
  username: "simulated-bot",
  discriminator: "0",
  global_name: null,
  avatar: null,
  bot: true,
  public_flags: 0
}

/** User of the bot, as it sees itself. */
export const bot = { ...botUser, mfa_enabled: true, verified: true, email: null, flags: 0 }

/** Token with the parts of a real one. Several clients read the bot's id in its first part. */
export const sampleToken = `${Base64Url.encode(applicationId)}.sample.no-secret-as-nobody-has-this-bot`
