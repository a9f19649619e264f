/**
 * A value in a stream that keeps the last message of each subject: read, changed and written by compare-and-set.
 */
import { StorageType } from "@nats-io/jetstream"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { isConflict, type NatsApi, NatsError } from "./NatsApi.ts"

/** A value, and when the server took it. */
export interface Stored<A> {
  readonly value: A | undefined
  /** Milliseconds of the server's clock; 0 where there is no value. */
  readonly at: number
}

/** The value of one subject. */
export interface NatsCell<A> {
  readonly get: Effect.Effect<Stored<A>, NatsError>
  /** Changes the value in one step: the function may run several times. Its first part is the answer. Nothing is written for undefined. */
  readonly update: <B>(
    change: (stored: Stored<A>) => readonly [answer: B, value: A | undefined]
  ) => Effect.Effect<B, NatsError>
}

/** Creates a stream of values, on so many servers, unless there is one of its name. */
export const openStream = (api: NatsApi, name: string, subjects: string, replicas: number) =>
  api.open({
    name,
    subjects: [subjects],
    storage: StorageType.File,
    max_msgs_per_subject: 1,
    num_replicas: replicas
  })

/** The wait of those who were too late. */
const conflictWait = Schedule.jittered(Schedule.spaced("5 millis"))

/** Cell of a subject. A value that is none counts as one that is not there. */
export const make = <A, I>(
  { ask, last, publisher }: NatsApi,
  stream: string,
  subject: string,
  schema: Schema.Codec<A, I>
): NatsCell<A> => {
  const codec = Schema.fromJsonString(schema)
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeEffect(codec)

  const read = Effect.flatMap(last(stream, subject), (message) =>
    message === undefined
      ? Effect.succeed({ value: undefined, at: 0, revision: 0 })
      : Effect.map(
          Effect.orElseSucceed(decode(message.text), () => undefined),
          (value) => ({ value, at: message.at, revision: message.position })
        )
  )
  return {
    get: read,
    update: (change) =>
      Effect.gen(function* () {
        const stored = yield* read
        const [answer, value] = change(stored)
        if (value === undefined) return answer
        const text = yield* Effect.mapError(
          encode(value),
          ({ message }) => new NatsError({ description: message, code: undefined })
        )
        yield* ask(() => publisher.publish(subject, text, { expect: { lastSubjectSequence: stored.revision } }))
        return answer
      }).pipe(Effect.retry({ while: isConflict, schedule: conflictWait, times: 100 }))
  }
}
