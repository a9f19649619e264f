/**
 * Message between machines of the cluster: a version and a text, a shape that never changes, so that machines of any two
 * releases understand at least that they do not understand each other.
 *
 * A version is raised by a change that an earlier release would read wrongly. A field that may be left out needs no new one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Version of the messages that this machine sends, and the newest that it reads. It answers in that of the question. */
export const ClusterProtocol: Context.Reference<number> = Context.Reference<number>(
  "disruption-gateway/cluster/ClusterMessage/ClusterProtocol",
  { defaultValue: () => 1 }
)

/** Message, of which `body` is JSON. */
export class ClusterMessage extends Schema.Class<ClusterMessage>("disruption-gateway/ClusterMessage")({
  version: Schema.Int,
  body: Schema.String
}) {}

/** Refusal of a message that is of a newer version than its reader. */
export class NewerMessage extends Schema.TaggedError<NewerMessage>("disruption-gateway/NewerMessage")("NewerMessage", {
  /** Address of the machine that refuses it. */
  machine: Schema.String,
  /** Version of the message. */
  version: Schema.Int,
  /** The newest version that the machine reads. */
  reads: Schema.Int
}) {
  override get message() {
    return (
      `${this.machine} reads messages between machines up to version ${this.reads}, and was sent one of version ` +
      `${this.version}. Bring all machines to the same release of disruption-gateway.`
    )
  }
}

/** Writes and reads the bodies of messages. */
export const bodyOf = <A, I>(schema: Schema.Codec<A, I>) => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeEffect(codec)
  return {
    /** A message of this version. */
    write: (value: A, version: number): Effect.Effect<ClusterMessage> =>
      Effect.orDie(Effect.map(encode(value), (body) => new ClusterMessage({ version, body }))),
    /** The content of a message whose version was checked. */
    read: ({ body }: ClusterMessage): Effect.Effect<A> => Effect.orDie(decode(body))
  }
}
