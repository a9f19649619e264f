import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { describe, it } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Redacted from "effect/Redacted"
import { GuildSnapshots } from "../../../src/services/GuildSnapshots.ts"
import { SessionStore } from "../../../src/services/SessionStore.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"
import { outlives } from "../../support/SessionStores.ts"
import * as TwoBots from "../../support/TwoBots.ts"

const Redis = Persistence.layerBackingRedis.pipe(Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))
const Postgres = Persistence.layerBackingSql.pipe(
  Layer.provide(PgClient.layer({ url: Redacted.make("postgres://postgres@127.0.0.1:5432/test") }))
)
const both = Layer.mergeAll(SessionStore.layerPersisted, GuildSnapshots.layerPersisted)

/** Two bots that no other run of the tests has. */
const newBots = (): readonly [TwoBots.Bot, TwoBots.Bot] => {
  const id = 100_000_000_000_000_000n + (process.hrtime.bigint() % 10n ** 17n)
  return [
    { token: TwoBots.tokenOf(String(id)), guilds: 2 },
    { token: TwoBots.tokenOf(String(id + 1n)), guilds: 3 }
  ]
}

describe("sessions in a store of effect/persistence", () => {
  it.live.skipIf(!hasRedis)("outlive the program in Redis", () =>
    outlives(
      SessionStore.layerPersisted.pipe(
        Layer.provide(Persistence.layerBackingRedis),
        Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" }))
      )
    )
  )

  it.live.skipIf(!hasPostgres)("outlive the program in PostgreSQL", () =>
    outlives(
      SessionStore.layerPersisted.pipe(
        Layer.provide(Persistence.layerBackingSql),
        Layer.provide(PgClient.layer({ url: Redacted.make("postgres://postgres@127.0.0.1:5432/test") }))
      )
    )
  )

  it.live.skipIf(!hasRedis)("of two bots are each bot's own in Redis", () =>
    TwoBots.resume(both.pipe(Layer.provide(Redis)), (isSo) => until(isSo, (is) => is), newBots())
  )

  it.live.skipIf(!hasPostgres)("of two bots are each bot's own in PostgreSQL", () =>
    TwoBots.resume(both.pipe(Layer.provide(Postgres)), (isSo) => until(isSo, (is) => is), newBots())
  )
})
