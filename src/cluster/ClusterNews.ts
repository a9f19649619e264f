/**
 * News among the machines of a cluster: one has come, leaves, or gives locks up. PostgreSQL tells all of them at once, by
 * LISTEN and NOTIFY. It has no contents: whoever hears it looks into the tables.
 *
 * Elsewhere, and while the connection that listens is down, the tables have to be looked into now and then.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as TimeLimit from "../services/TimeLimit.ts"

/** News of one kind, as a machine hears it. */
export interface Topic {
  /** Number of the latest news. */
  readonly latest: () => number
  /** Waits for news that is later. */
  readonly after: (news: number) => Effect.Effect<void>
  /** Tells all machines, this one first. */
  readonly tell: Effect.Effect<void>
}

/** News of this cluster. */
export class ClusterNews extends Context.Service<
  ClusterNews,
  {
    /** A machine has come, leaves, or is well or unwell. */
    readonly machines: Topic
    /** Locks were given up. */
    readonly locks: Topic
    /** Whether the news of the other machines is heard. */
    readonly isHeard: () => boolean
    /** Says that the list of machines has changed: unless that is news within a second, the connection is taken for deaf. */
    readonly changed: Effect.Effect<void>
  }
>()("disruption-gateway/cluster/ClusterNews") {}

/** Part of the client of `@effect/sql-pg` that this takes. */
export interface Notifying {
  readonly listen: (
    channel: string
  ) => Effect.Effect<Queue.Dequeue<{ readonly payload: string }, SqlError>, SqlError, Scope.Scope>
  readonly notify: (channel: string, payload: string) => Effect.Effect<void, SqlError>
}

const isNotifying = (client: SqlClient.SqlClient): client is SqlClient.SqlClient & Notifying =>
  client.onDialectOrElse({ pg: () => "listen" in client && "notify" in client, orElse: () => false })

/** One for all clusters of a database, whose names may be longer than that of a channel. */
const channel = "disruption_gateway_cluster"

const tellingTime = Duration.seconds(1)
const deafTime = Duration.seconds(1)
const reconnectTime = Duration.seconds(1)

/** The news of the cluster of this name. */
export const layer = (name: string): Layer.Layer<ClusterNews, never, SqlClient.SqlClient> =>
  Layer.effect(
    ClusterNews,
    Effect.gen(function* () {
      const client = yield* SqlClient.SqlClient
      const scope = yield* Effect.scope
      const withinTime = TimeLimit.make(scope, tellingTime, undefined)
      const deaf = Latch.makeUnsafe(false)
      let isHeard = false

      const makeTopic = (topic: string) => {
        const payload = `${topic} ${name}`
        let latest = 0
        let came = Latch.makeUnsafe(false)
        const signal = Effect.sync(() => {
          latest += 1
          const waiting = came
          came = Latch.makeUnsafe(false)
          waiting.openUnsafe()
        })
        return {
          payload,
          signal,
          latest: () => latest,
          after: (news: number) => Effect.suspend(() => (latest > news ? Effect.void : came.await)),
          tell: Effect.andThen(
            signal,
            isNotifying(client) ? Effect.ignore(withinTime(client.notify(channel, payload))) : Effect.void
          )
        }
      }
      const machines = makeTopic("machines")
      const locks = makeTopic("locks")
      const topics = [machines, locks]

      const setHeard = (heard: boolean) =>
        Effect.suspend(() => {
          isHeard = heard
          // Something may have happened while nobody listened.
          return Effect.forEach(topics, ({ signal }) => signal, { discard: true })
        })

      if (isNotifying(client)) {
        const hear = Effect.gen(function* () {
          const heard = yield* client.listen(channel)
          yield* setHeard(true)
          deaf.closeUnsafe()
          const hearing = Queue.take(heard).pipe(
            Effect.flatMap(({ payload }) => topics.find((topic) => topic.payload === payload)?.signal ?? Effect.void),
            Effect.forever
          )
          yield* Effect.raceFirst(hearing, deaf.await)
        })
        yield* Effect.scoped(hear).pipe(
          Effect.catchCause((cause) => Effect.logDebug("The news of the cluster is not heard", cause)),
          Effect.ensuring(setHeard(false)),
          Effect.andThen(Effect.sleep(reconnectTime)),
          Effect.forever,
          Effect.forkScoped
        )
      }

      return ClusterNews.of({
        machines,
        locks,
        isHeard: () => isHeard,
        changed: Effect.suspend(() => {
          const before = machines.latest()
          return Effect.sync(() => {
            if (machines.latest() === before) deaf.openUnsafe()
          }).pipe(Effect.delay(deafTime), Effect.forkIn(scope), Effect.asVoid)
        })
      })
    })
  )
