/**
 * News in an SQL database. PostgreSQL tells all that listen to a channel at once, by LISTEN and NOTIFY: whoever hears it looks into
 * the tables.
 *
 * Elsewhere, and while the connection that listens is down, the tables have to be looked into now and then.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Part of the client of `@effect/sql-pg` that this takes. */
export interface Notifying {
  readonly listen: (
    channel: string
  ) => Effect.Effect<Queue.Dequeue<{ readonly payload: string }, SqlError>, SqlError, Scope.Scope>
  readonly notify: (channel: string, payload: string) => Effect.Effect<void, SqlError>
}

/** Whether a client has the news of its database. */
export const isNotifying = (client: SqlClient.SqlClient): client is SqlClient.SqlClient & Notifying =>
  client.onDialectOrElse({ pg: () => "listen" in client && "notify" in client, orElse: () => false })

/** Listener of a channel. */
export interface SqlNews {
  /** Whether news is heard at the moment. */
  readonly isHeard: () => boolean
  /** Says that there is something new: unless any news is heard within a second, the connection is taken for deaf. */
  readonly expect: Effect.Effect<void>
}

const deafTime = Duration.seconds(1)
const reconnectTime = Duration.seconds(1)

/**
 * Listens to a channel until the scope closes. `onNews` gets the payload of each notification; undefined where something may
 * have happened while nobody listened.
 */
export const make = Effect.fnUntraced(function* (
  client: SqlClient.SqlClient,
  channel: string,
  onNews: (payload: string | undefined) => void
) {
  const scope = yield* Effect.scope
  const deaf = Latch.makeUnsafe(false)
  let isHeard = false
  let count = 0

  const setHeard = (heard: boolean) =>
    Effect.sync(() => {
      isHeard = heard
      count += 1
      onNews(undefined)
    })

  if (isNotifying(client)) {
    const hear = Effect.gen(function* () {
      const heard = yield* client.listen(channel)
      yield* setHeard(true)
      deaf.closeUnsafe()
      const hearing = Queue.take(heard).pipe(
        Effect.map(({ payload }) => {
          count += 1
          onNews(payload)
        }),
        Effect.forever
      )
      yield* Effect.raceFirst(hearing, deaf.await)
    })
    yield* Effect.scoped(hear).pipe(
      Effect.catchCause((cause) => Effect.logDebug(`The news of ${channel} is not heard`, cause)),
      Effect.ensuring(setHeard(false)),
      Effect.andThen(Effect.sleep(reconnectTime)),
      Effect.forever,
      Effect.forkScoped
    )
  }

  return {
    isHeard: () => isHeard,
    expect: Effect.suspend(() => {
      const before = count
      return Effect.sync(() => {
        if (count === before) deaf.openUnsafe()
      }).pipe(Effect.delay(deafTime), Effect.forkIn(scope), Effect.asVoid)
    })
  } satisfies SqlNews
})
