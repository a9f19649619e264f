/**
 * PostgreSQL behind the relay of the command.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlBroker from "../relay/sql/SqlBroker.ts"
import * as SqlOwner from "../services/SqlOwner.ts"
import type { RelayEngine, Urls } from "./RelayEngine.ts"

/** Engine at the URL. */
export const engineAt = ([url]: Urls): RelayEngine => {
  const postgres = PgClient.layer({ url: Redacted.make(url), applicationName: "disruption-gateway" })
  return {
    address: new URL(url).host,
    broker: (options) => Layer.provide(SqlBroker.layer(options), postgres),
    sessions: (name) => SqlOwner.layerWithSessions(name, postgres)
  }
}
