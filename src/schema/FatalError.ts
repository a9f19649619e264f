/**
 * Fatal reasons of a `GatewayError`: connecting again would fail the same way, so they end the stream. Their messages
 * tell a person what to do.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import type { GatewayRecovery } from "./CloseCode.ts"
import { describeHolder, SessionHolder } from "./SessionHolder.ts"
import { namesOfIntents, privilegedIntentsIn } from "./Intents.ts"

/**
 * An option has an invalid value. Reported at start, before anything is dialled.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>("disruption-gateway/GatewayError/InvalidConfig")(
  "InvalidConfig",
  {
    /** Name of the option or of the environment variable. */
    option: Schema.String,
    description: Schema.String
  }
) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return `${this.option}: ${this.description}`
  }
}

/**
 * Close 4004, or 401 from GET /gateway/bot.
 *
 * @category errors
 * @since 0.1.0
 */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>(
  "disruption-gateway/GatewayError/AuthenticationFailed"
)("AuthenticationFailed", {}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return (
      "Discord refused the bot's token. Copy it from the Developer Portal " +
      "(https://discord.com/developers/applications, your application, Bot, Reset Token) and set it as DISCORD_TOKEN " +
      "or as GatewayConfig's token."
    )
  }
}

/**
 * A later release has stored something that this one cannot read. It is left as it is.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedVersion extends Schema.TaggedError<UnsupportedVersion>(
  "disruption-gateway/GatewayError/UnsupportedVersion"
)("UnsupportedVersion", {
  /** Name of what was stored: "the plan of the cluster". */
  what: Schema.String,
  /** Version of what was stored. */
  found: Schema.Int,
  /** The latest version that this release reads. */
  supported: Schema.Int,
  /** Advice for a downgrade. */
  advice: Schema.String
}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return (
      `${this.what} is of version ${this.found}, and this release of disruption-gateway reads version ${this.supported} ` +
      `at most. Nothing was changed. Run the release that has stored it, or a later one. ${this.advice}`
    )
  }
}

/**
 * Close 4010.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidShard extends Schema.TaggedError<InvalidShard>("disruption-gateway/GatewayError/InvalidShard")(
  "InvalidShard",
  {
    id: Schema.Int,
    total: Schema.Int
  }
) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return `Discord refused shard ${this.id} of ${this.total}. Check the option shards (DISCORD_SHARDS).`
  }
}

/**
 * Close 4011.
 *
 * @category errors
 * @since 0.1.0
 */
export class ShardingRequired extends Schema.TaggedError<ShardingRequired>(
  "disruption-gateway/GatewayError/ShardingRequired"
)("ShardingRequired", {
  total: Schema.Int
}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return (
      `The bot is in too many guilds for ${this.total} shard${this.total === 1 ? "" : "s"} (2500 guilds a shard at most). ` +
      "Raise the option shards (DISCORD_SHARDS), or set it to auto."
    )
  }
}

/**
 * Close 4012.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidApiVersion extends Schema.TaggedError<InvalidApiVersion>(
  "disruption-gateway/GatewayError/InvalidApiVersion"
)("InvalidApiVersion", {}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return "Discord does not serve version 10 of the gateway any more. Update disruption-gateway."
  }
}

/**
 * Close 4013.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidIntents extends Schema.TaggedError<InvalidIntents>(
  "disruption-gateway/GatewayError/InvalidIntents"
)("InvalidIntents", {
  /** The bit field that was sent. */
  intents: Schema.Int
}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    const names = namesOfIntents(this.intents)
    return (
      `Discord does not know the intents ${this.intents} (${names.length === 0 ? "none that is documented" : names.join(", ")}). ` +
      "Check the option intents (DISCORD_INTENTS)."
    )
  }
}

/**
 * Close 4014.
 *
 * @category errors
 * @since 0.1.0
 */
export class DisallowedIntents extends Schema.TaggedError<DisallowedIntents>(
  "disruption-gateway/GatewayError/DisallowedIntents"
)("DisallowedIntents", {
  /** The bit field that was sent. */
  intents: Schema.Int
}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    const privileged = privilegedIntentsIn(this.intents)
    return (
      `The bot may not use ${privileged.length === 0 ? "one of its intents" : privileged.join(", ")}. ` +
      "Enable it in the Developer Portal (https://discord.com/developers/applications, your application, Bot, " +
      "Privileged Gateway Intents) or leave it out of the option intents (DISCORD_INTENTS)."
    )
  }
}

/** The day's remaining IDENTIFYs, in a sentence. */
export const describeBudget = ({ remaining, total }: { readonly remaining: number; readonly total: number }): string =>
  remaining <= 0
    ? `All ${total} IDENTIFYs of the day are used up.`
    : `${remaining} of the day's ${total} IDENTIFYs are left, which stay untouched (option identifyReserve).`

/**
 * The day's IDENTIFYs are used up, and the option `whenBudgetExhausted` is `"fail"`.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentifyBudgetExhausted extends Schema.TaggedError<IdentifyBudgetExhausted>(
  "disruption-gateway/GatewayError/IdentifyBudgetExhausted"
)("IdentifyBudgetExhausted", {
  /** IDENTIFYs per day. */
  total: Schema.Int,
  /** IDENTIFYs that remain as the reserve. */
  remaining: Schema.Int,
  /** Time of the next budget. */
  resetAt: Schema.DateTimeUtcFromString
}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return (
      `${describeBudget(this)} Going over it would reset the bot's token. ` +
      `There are new ones at ${DateTime.formatIso(this.resetAt)}.`
    )
  }
}

/**
 * The configured `reconnect` schedule has ended.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReconnectScheduleEnded extends Schema.TaggedError<ReconnectScheduleEnded>(
  "disruption-gateway/GatewayError/ReconnectScheduleEnded"
)("ReconnectScheduleEnded", {
  /** Message of the last connection's reason. */
  last: Schema.String
}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return `Gave up reconnecting, as the option reconnect says. The last reason: ${this.last}`
  }
}

/**
 * Another instance holds the sessions, and the owner is configured to fail then.
 *
 * @category errors
 * @since 0.1.0
 */
export class OwnedElsewhere extends Schema.TaggedError<OwnedElsewhere>(
  "disruption-gateway/GatewayError/OwnedElsewhere"
)("OwnedElsewhere", {
  by: Schema.UndefinedOr(SessionHolder)
}) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return `The sessions are held by ${describeHolder(this.by)}. Stop it, or let this one wait (whenOwned: "wait").`
  }
}

/**
 * The store does not say at the start who owns the sessions, and the program is not to wait for it (`whenUnanswered`).
 *
 * @since 0.1.0
 * @category errors
 */
export class OwnerUnknown extends Schema.TaggedError<OwnerUnknown>("disruption-gateway/GatewayError/OwnerUnknown")(
  "OwnerUnknown",
  { description: Schema.String }
) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return (
      `Nobody says who owns the sessions: ${this.description}. Check that their store runs and can be reached; whenUnanswered: ` +
      '"wait" waits for it.'
    )
  }
}

/**
 * This instance was not heard of for the time of its lease, and another one has followed.
 *
 * @category errors
 * @since 0.1.0
 */
export class OwnershipLost extends Schema.TaggedError<OwnershipLost>("disruption-gateway/GatewayError/OwnershipLost")(
  "OwnershipLost",
  { by: Schema.UndefinedOr(SessionHolder) }
) {
  readonly recovery: GatewayRecovery = "fatal"
  override get message() {
    return (
      `The sessions were taken over by ${describeHolder(this.by)}, while this one was paused or did not reach the store. ` +
      "Started again it waits for its turn."
    )
  }
}
