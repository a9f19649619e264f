/**
 * A bot's presence, as the option `presence` and `SendEvent.updatePresence` take it.
 *
 * Source: Discord, "Update Presence". The type is discord-api-types', so the value is checked and passed on as it is:
 * decoding would leave out fields of an activity that Discord adds later.
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

/** A presence: `{ status: "idle", activities: [], since: null, afk: false }`. */
export const PresenceUpdate = Schema.declare<GatewayPresenceUpdateData>(
  // Says only what can have fields. The check behind it looks at each.
  (input): input is GatewayPresenceUpdateData => Predicate.isObject(input),
  { expected: "a presence such as { status, activities, since, afk }" }
).check(
  Schema.makeFilter((presence, _, options) =>
    Result.match(checkFields(presence, options), { onFailure: (issue) => issue, onSuccess: () => undefined })
  )
)
