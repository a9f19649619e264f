/**
 * Request Guild Members (op 8), answered by GUILD_MEMBERS_CHUNK or RATE_LIMITED, or not at all.
 *
 * Every guild has the members of its GUILD_CREATE.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Intents } from "../schema/Intents.ts"
import { ClientSnowflake } from "./ClientJson.ts"
import type { Answer } from "./ClientRequests.ts"
import { membersOfGuild } from "./SampleMembers.ts"

const Ids = Schema.Union([ClientSnowflake, Schema.Array(ClientSnowflake)])

const Request = Schema.Struct({
  guild_id: ClientSnowflake,
  query: Schema.optionalKey(Schema.String),
  limit: Schema.optionalKey(Schema.Int),
  presences: Schema.optionalKey(Schema.Boolean),
  user_ids: Schema.optionalKey(Ids),
  nonce: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const decode = Schema.decodeUnknownOption(Request)

/**
 * Milliseconds between two requests for all members of a guild. Discord, "Request Guild Members":
 * https://discord.com/developers/docs/events/gateway-events#request-guild-members
 */
const allMembersCooldown = 30_000

/** Requests of one session. */
export class MemberRequests {
  private readonly allRequestedAt = new Map<string, number>()

  /**
   * Answers a request of a session with these intents; `undefined` for a malformed one. Discord leaves a request for all members
   * without GUILD_MEMBERS unanswered: https://github.com/discord/discord-api-docs/issues/5855
   */
  answer(d: unknown, intents: number, now: number): ReadonlyArray<Answer> | undefined {
    const request = decode(d)
    if (Option.isNone(request)) return undefined
    const { limit, query, user_ids } = request.value
    const guild_id = String(request.value.guild_id)
    // Discord silently ignores a nonce of more than 32 bytes.
    const nonce = new TextEncoder().encode(request.value.nonce ?? "").length <= 32 ? request.value.nonce : undefined
    const withNonce = nonce === undefined ? {} : { nonce }
    if (query === "" && (intents & Intents.GUILD_MEMBERS) === 0) return []
    if (query === "" && limit === 0) {
      const wait = (this.allRequestedAt.get(guild_id) ?? -Infinity) + allMembersCooldown - now
      if (wait > 0) {
        return [{ t: "RATE_LIMITED", d: { opcode: 8, retry_after: wait / 1000, meta: { guild_id, ...withNonce } } }]
      }
      this.allRequestedAt.set(guild_id, now)
    }
    const all = membersOfGuild(guild_id)
    const wanted = user_ids === undefined ? undefined : [user_ids].flat().map(String)
    const members = all
      .filter(({ user }) => wanted === undefined || wanted.includes(user.id))
      .filter(({ user }) => query === undefined || user.username.startsWith(query))
      .slice(0, limit === undefined || limit === 0 ? all.length : limit)
    const missing = wanted?.filter((id) => !all.some(({ user }) => user.id === id)) ?? []
    const presences = request.value.presences === true && (intents & Intents.GUILD_PRESENCES) !== 0
    const chunk = {
      guild_id,
      members,
      chunk_index: 0,
      chunk_count: 1,
      ...(missing.length > 0 ? { not_found: missing } : {}),
      ...(presences ? { presences: [] } : {}),
      ...withNonce
    }
    return [{ t: "GUILD_MEMBERS_CHUNK", d: chunk }]
  }
}
