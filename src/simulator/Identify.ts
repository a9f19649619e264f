/**
 * Schemas of IDENTIFY, RESUME and the envelope of client payloads, and the close codes for invalid fields.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { CloseCode } from "../schema/CloseCode.ts"
import { Intents } from "../schema/Intents.ts"
import type { Settings } from "./SimulatorOptions.ts"

const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Envelope of every client payload. */
export const ClientPayload = Schema.Struct({ op: Schema.Int, d: Schema.optionalKey(Schema.Unknown) })

const NameOfClient = Schema.optionalKey(Schema.NullOr(Schema.String))

/** Properties of an IDENTIFY. The names with `$` are those of older versions; Discord insists on none of them. */
const Properties = Schema.Struct({
  os: NameOfClient,
  browser: NameOfClient,
  device: NameOfClient,
  $os: NameOfClient,
  $browser: NameOfClient,
  $device: NameOfClient
})

/**
 * The `d` of an IDENTIFY. Fields with a close code of their own are checked afterwards, so they are unknown here; `compress` is
 * a string where a client names its transport compression.
 */
export const Identify = Schema.Struct({
  token: Schema.String,
  intents: Schema.Unknown,
  properties: Properties,
  shard: Schema.optionalKey(Schema.Unknown),
  large_threshold: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 50, maximum: 250 }))),
  compress: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.Boolean, Schema.String]))),
  presence: Schema.optionalKey(Schema.Unknown),
  capabilities: Schema.optionalKey(Natural)
})

/** The `d` of a RESUME. */
export const Resume = Schema.Struct({ token: Schema.String, session_id: Schema.String, seq: Natural })

/** Refusal: the connection is closed with this code. */
export interface Refusal {
  readonly code: CloseCode
  readonly reason: string
}

const refuse = (code: CloseCode, reason: string): Result.Result<never, Refusal> => Result.fail({ code, reason })

const isShard = Schema.is(Schema.Tuple([Natural, Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))]))

/** Guilds that a shard may have. Discord, "Sharding": https://discord.com/developers/docs/events/gateway#sharding */
const maxGuilds = 2500

/** Checks the shard of an IDENTIFY; `guildsOf` counts the guilds of a shard. */
export const judgeShard = (
  identify: typeof Identify.Type,
  settings: Settings,
  guildsOf: (shard: readonly [id: number, total: number]) => number
): Result.Result<readonly [id: number, total: number], Refusal> => {
  const { shard = [0, 1] } = identify
  if (!isShard(shard) || shard[0] >= shard[1]) return refuse(CloseCode.InvalidShard, "Invalid shard.")
  if (shard[1] % settings.shardsMultiple !== 0) return refuse(CloseCode.InvalidShard, "Invalid shard.")
  if (shard[1] < settings.shardingRequired || guildsOf(shard) > maxGuilds) {
    return refuse(CloseCode.ShardingRequired, "Sharding required.")
  }
  return Result.succeed(shard)
}

const knownIntents = Object.values(Intents).reduce((all, bit) => all | bit, 0)

const isIntents = Schema.is(Natural)

/** Checks the intents of an IDENTIFY. */
export const judgeIntents = (identify: typeof Identify.Type, settings: Settings): Result.Result<number, Refusal> => {
  const { intents } = identify
  if (!isIntents(intents) || intents > knownIntents || (intents & ~knownIntents) !== 0) {
    return refuse(CloseCode.InvalidIntents, "Invalid intent(s).")
  }
  if ((intents & settings.disallowedIntents) !== 0) return refuse(CloseCode.DisallowedIntents, "Disallowed intent(s).")
  return Result.succeed(intents)
}
