/**
 * A client of PostgreSQL whose answers a test gives, in virtual time; with the news that such a database brings.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Stream from "effect/Stream"
import * as SqlClient from "effect/sql/SqlClient"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import type { Notifying } from "../../src/services/SqlNews.ts"

/** Answers a statement with rows. */
export type Answer = (statement: string, parameters: ReadonlyArray<unknown>) => ReadonlyArray<object>

/** Client whose statements are answered so, and which hears those notifications. */
export const client = (answer: Answer, { postgres }: Notifications): Layer.Layer<SqlClient.SqlClient> => {
  const answered = (statement: string, parameters: ReadonlyArray<unknown>) =>
    Effect.sync(() => answer(statement, parameters))
  const values = (statement: string, parameters: ReadonlyArray<unknown>) =>
    Effect.map(answered(statement, parameters), (rows) => rows.map((row) => Object.values(row)))
  return Layer.effect(
    SqlClient.SqlClient,
    Effect.map(
      SqlClient.make({
        acquirer: Effect.succeed({
          execute: answered,
          executeRaw: answered,
          executeStream: () => Stream.empty,
          executeValues: values,
          executeValuesUnprepared: values,
          executeUnprepared: answered
        }),
        compiler: PgClient.makeCompiler(),
        driver: "pg",
        spanAttributes: []
      }),
      (made) => Object.assign(made, postgres)
    )
  ).pipe(Layer.provide(Reactivity.layer))
}

/** The database's notifications, which a test may end. */
export type Notifications = ReturnType<typeof makeNotifications>

export const makeNotifications = () => {
  const listening = new Set<Queue.Queue<{ readonly payload: string }, SqlError>>()
  const state = { listened: 0 }
  return {
    state,
    /** Ends the connections that listen. */
    drop: Effect.suspend(() =>
      Effect.forEach(listening, (queue) =>
        Queue.fail(queue, new SqlError({ reason: new UnknownError({ cause: "reset", message: "reset" }) }))
      )
    ),
    postgres: {
      listen: () =>
        Effect.gen(function* () {
          const queue = yield* Queue.unbounded<{ readonly payload: string }, SqlError>()
          state.listened += 1
          yield* Effect.acquireRelease(
            Effect.sync(() => listening.add(queue)),
            () => Effect.sync(() => listening.delete(queue))
          )
          return queue
        }),
      notify: (_, payload) =>
        Effect.sync(() => {
          for (const queue of listening) Queue.offerUnsafe(queue, { payload })
        })
    } satisfies Notifying
  }
}
