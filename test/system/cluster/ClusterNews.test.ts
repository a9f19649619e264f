import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as ClusterNews from "../../../src/cluster/ClusterNews.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { untilTrue } from "../../support/Patience.ts"

/** The news of a cluster, as a machine hears it on its own connections. */
const machineOf = (databaseUrl: string, cluster: string) =>
  Effect.gen(function* () {
    const news = yield* Effect.provide(
      ClusterNews.ClusterNews,
      yield* Layer.build(
        Layer.fresh(ClusterNews.layer(cluster).pipe(Layer.provide(PgClient.layer({ url: Redacted.make(databaseUrl) }))))
      )
    )
    yield* untilTrue(news.isHeard, () => "a machine that does not hear the news")
    return news
  })

describe.skipIf(!hasPostgres)("news in PostgreSQL", () => {
  it.live("reaches each machine of the cluster, and no other cluster's", () =>
    Effect.gen(function* () {
      const url = (yield* Database.make).url()
      const [one, two, other] = yield* Effect.all([
        machineOf(url, "cluster"),
        machineOf(url, "cluster"),
        machineOf(url, "another")
      ])
      const before = { two: two.machines.latest(), locks: two.locks.latest(), other: other.machines.latest() }
      const hearing = yield* Effect.forkChild(two.machines.after(before.two))
      yield* one.machines.tell
      yield* Fiber.join(hearing)
      // In the order in which the database tells them.
      const locks = yield* Effect.forkChild(other.locks.after(other.locks.latest()))
      yield* other.locks.tell
      yield* Fiber.join(locks)
      assert.deepStrictEqual([two.locks.latest(), other.machines.latest()], [before.locks, before.other])
    })
  )

  it.live("is heard again after the connection was lost", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const [one, two] = yield* Effect.all([machineOf(database.url(), "cluster"), machineOf(database.url(), "cluster")])
      const lost = two.machines.latest()
      yield* database.killConnections
      yield* two.machines.after(lost)
      yield* untilTrue(two.isHeard, () => "a machine that does not hear the news any more")
      const hearing = yield* Effect.forkChild(two.machines.after(two.machines.latest()))
      yield* one.machines.tell
      yield* Fiber.join(hearing)
    })
  )
})
