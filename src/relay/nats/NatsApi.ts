/**
 * JetStream as effects: what asks the server ends when the connection is lost, and not only after the client's time limit.
 *
 * The client speaks in promises and callbacks; they end here and in `NatsReader`.
 */
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  JetStreamApiError,
  type StreamConfig
} from "@nats-io/jetstream"
import type { NatsConnection } from "@nats-io/transport-node"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { failureText } from "../../services/FailureText.ts"

/** The server refused, or did not answer. */
export class NatsError extends Schema.TaggedError<NatsError>("disruption-gateway/NatsError")("NatsError", {
  description: Schema.String,
  /** Number of JetStream's error; undefined for others. */
  code: Schema.UndefinedOr(Schema.Finite)
}) {
  override get message() {
    return this.description
  }
}

/** Numbers of JetStream's errors. */
export const codes = {
  nameInUse: 10058,
  sequenceNotFound: 10043,
  deleteFailed: 10057,
  wrongLastId: 10070,
  wrongLastSequence: 10071,
  storeFailed: 10077
}

/** True where somebody else has written meanwhile. */
export const isConflict = ({ code }: NatsError): boolean =>
  code === codes.wrongLastSequence || code === codes.wrongLastId

/** Milliseconds for an answer. */
const answerTime = 5000

/** Access to JetStream. */
export interface NatsApi {
  readonly connection: NatsConnection
  readonly publisher: JetStreamClient
  readonly manager: JetStreamManager
  /** Waits for an answer, or for the loss of the connection. */
  readonly ask: <A>(request: () => Promise<A>) => Effect.Effect<A, NatsError>
  /** Runs the listener at each loss of the connection until it is removed by what this returns. */
  readonly onLost: (listener: () => void) => () => void
  /** Creates a stream, unless there is one of its name. */
  readonly open: (stream: Partial<StreamConfig> & { readonly name: string }) => Effect.Effect<void, NatsError>
  /** Last message of a subject; undefined for none. */
  readonly last: (stream: string, subject: string) => Effect.Effect<LastMessage | undefined, NatsError>
  /** Takes a message out, where an id is given only if it was published by it. True for the one who did. */
  readonly take: (stream: string, position: number, id?: string) => Promise<boolean>
}

/** Last message of a subject. */
export interface LastMessage {
  readonly position: number
  /** When the server took it, in milliseconds. */
  readonly at: number
  readonly text: string
}

const failed = (error: unknown) =>
  new NatsError({
    description: failureText(error),
    code: error instanceof JetStreamApiError ? error.apiError().err_code : undefined
  })

const lost = Effect.fail(new NatsError({ description: "the connection is lost", code: undefined }))

/** Access by a connection, until the scope closes. */
export const make = Effect.fnUntraced(function* (connection: NatsConnection) {
  const listeners = new Set<() => void>()
  const onLost = (listener: () => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  const connected = Latch.makeUnsafe(true)
  yield* Stream.fromAsyncIterable(connection.status(), failed).pipe(
    Stream.runForEach(({ type }) =>
      Effect.sync(() => {
        if (type === "reconnect") connected.openUnsafe()
        if (type !== "disconnect" && type !== "close") return
        connected.closeUnsafe()
        for (const listener of listeners) listener()
      })
    ),
    Effect.ignore,
    Effect.forkScoped
  )

  /** The client drops requests that are made while it is not connected. */
  const untilConnected = Effect.timeoutOrElse(connected.await, {
    duration: Duration.millis(answerTime),
    orElse: () => lost
  })

  const untilLost = Effect.callback<never, NatsError>((resume) => {
    const remove = onLost(() => resume(lost))
    return Effect.sync(remove)
  })

  const ask = <A>(request: () => Promise<A>): Effect.Effect<A, NatsError> =>
    Effect.andThen(untilConnected, Effect.raceFirst(Effect.tryPromise({ try: request, catch: failed }), untilLost))

  const manager = yield* ask(() => jetstreamManager(connection, { timeout: answerTime }))
  const publisher = jetstream(connection, { timeout: answerTime })

  return {
    connection,
    publisher,
    manager,
    ask,
    onLost,
    open: (stream) =>
      ask(() => manager.streams.add(stream)).pipe(
        Effect.asVoid,
        // It is there, and somebody has changed its settings.
        Effect.catchIf(
          ({ code }) => code === codes.nameInUse,
          () => Effect.void
        )
      ),
    last: (stream, subject) =>
      Effect.map(
        ask(() => manager.streams.getMessage(stream, { last_by_subj: subject })),
        (message) =>
          message === null ? undefined : { position: message.seq, at: message.time.getTime(), text: message.string() }
      ),
    take: async (stream: string, position: number, id?: string) => {
      if (id !== undefined) {
        const message = await manager.streams.getMessage(stream, { seq: position })
        if (message?.header.get("Nats-Msg-Id") !== id) return false
      }
      return manager.streams.deleteMessage(stream, position, false).catch((error: unknown) => {
        const { code, message } = failed(error)
        // "EOF" is said of a position behind the last one, which the server has lost.
        if (code === codes.sequenceNotFound || (code === codes.deleteFailed && /not found|EOF/.test(message)))
          return false
        throw error
      })
    }
  } satisfies NatsApi
})
