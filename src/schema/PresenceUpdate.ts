/**
 * Presence of a bot, for the option `presence` and for `SendEvent.updatePresence`.
 *
 * The value is checked and passed on unchanged: decoding would drop fields of an activity that Discord adds later.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"

const fields = Schema.Struct({
  since: Schema.NullOr(Schema.Finite).annotate({ expected: "milliseconds since the epoch or null" }),
  activities: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      type: Schema.Int,
      state: Schema.optional(Schema.NullOr(Schema.String)),
      url: Schema.optional(Schema.NullOr(Schema.String))
    })
  ),
  status: Schema.Literals(["online", "dnd", "idle", "invisible", "offline"]),
  afk: Schema.Boolean
})

const checkFields = SchemaParser.decodeUnknownResult(fields)

/**
 * A presence: `{ status: "idle", activities: [], since: null, afk: false }`.
 *
 * Discord, "Update Presence": https://discord.com/developers/docs/events/gateway-events#update-presence
 */
export const PresenceUpdate = Schema.declare<GatewayPresenceUpdateData>(
  // Checks only the type of the value; the filter below checks the fields.
  (input): input is GatewayPresenceUpdateData => Predicate.isObject(input),
  { expected: "a presence such as { status, activities, since, afk }" }
).check(
  Schema.makeFilter((presence, _, options) =>
    Result.match(checkFields(presence, options), { onFailure: (issue) => issue, onSuccess: () => undefined })
  )
)
