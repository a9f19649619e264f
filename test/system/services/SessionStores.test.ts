import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { describe, it } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Redacted from "effect/Redacted"
import { SessionStore } from "../../../src/services/SessionStore.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { outlives } from "../../support/SessionStores.ts"

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
})
