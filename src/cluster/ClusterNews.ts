/**
 * News among the machines of a cluster: one has come, leaves, or gives locks up. It has no contents: whoever hears it looks into the
 * tables.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlNews from "../services/SqlNews.ts"
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
    /** Says that the list of machines has changed: unless there is news within a second, the connection is taken for deaf. */
    readonly changed: Effect.Effect<void>
  }
>()("disruption-gateway/cluster/ClusterNews") {}

/** One for all clusters of a database, whose names may be longer than that of a channel. */
const channel = "disruption_gateway_cluster"

const tellingTime = Duration.seconds(1)

/** The news of the cluster of this name. */
export const layer = (name: string): Layer.Layer<ClusterNews, never, SqlClient.SqlClient> =>
  Layer.effect(
    ClusterNews,
    Effect.gen(function* () {
      const client = yield* SqlClient.SqlClient
      const withinTime = TimeLimit.make(yield* Effect.scope, tellingTime, undefined)

      const makeTopic = (topic: string) => {
        const payload = `${topic} ${name}`
        let latest = 0
        let came = Latch.makeUnsafe(false)
        const signal = () => {
          latest += 1
          const waiting = came
          came = Latch.makeUnsafe(false)
          waiting.openUnsafe()
        }
        return {
          payload,
          signal,
          latest: () => latest,
          after: (news: number) => Effect.suspend(() => (latest > news ? Effect.void : came.await)),
          tell: Effect.andThen(
            Effect.sync(signal),
            SqlNews.isNotifying(client) ? Effect.ignore(withinTime(client.notify(channel, payload))) : Effect.void
          )
        }
      }
      const machines = makeTopic("machines")
      const locks = makeTopic("locks")

      const { expect, isHeard } = yield* SqlNews.make(client, channel, (payload) => {
        for (const topic of [machines, locks]) if (payload === undefined || payload === topic.payload) topic.signal()
      })

      return ClusterNews.of({ machines, locks, isHeard, changed: expect })
    })
  )
