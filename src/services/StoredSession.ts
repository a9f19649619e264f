/**
 * Stored forms of a session and of its identity, which other releases read, too.
 *
 * The version says what it takes to resume. It rises only where an earlier release would resume wrongly; what a reader can do
 * without is added beside it, and a reader leaves out what it does not know. The identity is written once a session and not with
 * each sequence, since a shard of 2,500 guilds has 50 kB of ids.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Struct from "effect/Struct"
import { Identity } from "../schema/Identity.ts"
import { Session } from "../schema/Session.ts"

/** The version that is written, and the latest that is read. */
const version = 1

const sessionFields = Struct.omit(Session.fields, ["identity"])

const Stored = Schema.Struct({ version: Schema.Literal(version), session: Schema.Struct(sessionFields) })
const decode = Schema.decodeUnknownEffect(Stored)
const encode = Schema.encodeSync(Stored)

const decodeVersion = Schema.decodeUnknownOption(Schema.Struct({ version: Schema.Int }))

/** Version of what a newer release has stored. */
export const newerVersionOf = (value: unknown): Option.Option<number> =>
  Option.filter(
    Option.map(decodeVersion(value), (stored) => stored.version),
    (stored) => stored > version
  )

/** Description of what a newer release has stored. */
export const describeNewer = (stored: number): string =>
  `a newer release has stored it in format ${stored}, where this one reads format ${version}`

/** The name under which a shard's session of a newer release is kept aside. */
export const asideKey = (shard: string, version: number): string => `${shard}/format-${version}`

/** Description of a session that cannot be read, and what becomes of it. */
export const unreadable = (why: string, aside: Option.Option<string>): string =>
  `The session that was stored cannot be read: ${why}. The shard identifies anew, and its new session takes the place of this one` +
  Option.match(aside, { onNone: () => "", onSome: (aside) => `, which is kept as ${aside}` })

/** Reads what is in a store. Fails with a message for people. */
export const decodeStored = (value: unknown): Effect.Effect<Session, { readonly message: string }> =>
  Option.match(newerVersionOf(value), {
    onNone: () => Effect.map(decode(value), ({ session }) => new Session(session)),
    onSome: (stored) => Effect.fail({ message: describeNewer(stored) })
  })

/** Encodes a session for a store, without its identity. */
export const encodeStored = (session: Session): object => encode({ version, session })

/** Guild ids as one text, the shortest form that every store keeps as it is. */
const Ids = Schema.String.pipe(
  Schema.decodeTo(
    Identity.fields.guilds,
    SchemaTransformation.transform({
      decode: (text): ReadonlyArray<string> => (text === "" ? [] : text.split(" ")),
      encode: (ids) => ids.join(" ")
    })
  )
)

const StoredIdentity = Schema.Struct({
  version: Schema.Literal(version),
  /** Id of the session whose READY said it: an earlier version writes sessions and leaves this as it is. */
  session: Schema.String,
  identity: Schema.Struct({ ...Identity.fields, guilds: Ids })
})
const decodeIdentity = Schema.decodeUnknownOption(StoredIdentity)
const encodeIdentity = Schema.encodeSync(StoredIdentity)

/** The name under which a shard's identity is beside its session. */
export const identityKey = (shard: string): string => `${shard}/identity`

/** The session with the identity that is stored beside it, if that is the session's. */
export const withIdentity = (session: Session, stored: unknown): Session =>
  Option.match(
    Option.filter(decodeIdentity(stored), (found) => found.session === session.id),
    { onNone: () => session, onSome: ({ identity }) => new Session({ ...session, identity: new Identity(identity) }) }
  )

/** Encodes a session's identity for a store; none where the session has none. */
export const encodeStoredIdentity = ({ id, identity }: Session): Option.Option<object> =>
  Option.map(Option.fromUndefinedOr(identity), (identity) => encodeIdentity({ version, session: id, identity }))
