/**
 * Identity of a bot, as READY says it: its user, its application and its guilds.
 *
 * Discord says it once, at the start of a session. It is kept with the session, since a RESUME brings no READY: a program that is
 * started again would not know who it is.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** A snowflake, which is text where JavaScript's numbers are too small. */
const Snowflake = Schema.NonEmptyString

/**
 * Identity of a bot, of the READY of its session.
 *
 * @category models
 * @since 0.1.0
 */
export class Identity extends Schema.Class<Identity>("disruption-gateway/Identity")({
  /** The bot's user. */
  user: Schema.Struct({
    id: Snowflake,
    username: Schema.String,
    discriminator: Schema.optionalKey(Schema.String),
    global_name: Schema.optionalKey(Schema.NullOr(Schema.String)),
    avatar: Schema.optionalKey(Schema.NullOr(Schema.String))
  }),
  /** Its application, and the bit field of its flags. */
  application: Schema.Struct({ id: Snowflake, flags: Schema.optionalKey(Schema.Int) }),
  /** Ids of the guilds that it was in at READY. Those that it has joined or left since are not counted. */
  guilds: Schema.Array(Snowflake)
}) {}

const ReadyIdentity = Schema.Struct({
  user: Identity.fields.user,
  application: Identity.fields.application,
  guilds: Schema.Array(Schema.Struct({ id: Snowflake }))
})

const decodeReadyIdentity = Schema.decodeUnknownOption(ReadyIdentity)

/** The identity in the data of READY; none where READY has not all of it. */
export const identityOfReady = (d: unknown): Option.Option<Identity> =>
  Option.map(
    decodeReadyIdentity(d),
    ({ application, guilds, user }) => new Identity({ user, application, guilds: guilds.map(({ id }) => id) })
  )

/** One identity of those of a bot's shards, each of which has guilds of its own. */
export const ofShards = (identities: ReadonlyArray<Identity>): Option.Option<Identity> => {
  const [first] = identities
  if (first === undefined) return Option.none()
  if (identities.length === 1) return Option.some(first)
  const guilds = new Set(identities.flatMap(({ guilds }) => guilds))
  return Option.some(new Identity({ user: first.user, application: first.application, guilds: [...guilds] }))
}
