/**
 * From which session each payload is, known by the connection over which it came.
 *
 * Handlers that run side by side see READY of one session and payloads of the one before in any order.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type { Payload } from "../../src/schema/Payload.ts"
import type { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../src/services/GatewayConnection.ts"
import type { WebSocketConstructor } from "effect/socket/Socket"

/** The sessions of payloads. */
export interface Origins {
  readonly sessionOf: (payload: Payload) => string | undefined
  readonly layer: Layer.Layer<GatewayConnection, never, GatewayConfig | WebSocketConstructor>
}

/** Nothing has come yet. */
export const make = (): Origins => {
  const sessions = new WeakMap<Payload, string>()
  const layer = Layer.effect(
    GatewayConnection,
    Effect.map(GatewayConnection, ({ open }) => ({
      open: (options) =>
        Effect.map(open(options), (connection) => {
          let session: string | undefined
          return {
            send: (frame) => {
              session = sessionOfResume(frame) ?? session
              return connection.send(frame)
            },
            receive: Effect.map(connection.receive, (batch) => {
              for (const payload of batch.received) {
                if (typeof payload === "number" || "_tag" in payload) continue
                if (payload.t === "READY" && Predicate.hasProperty(payload.d, "session_id")) {
                  session = String(payload.d.session_id)
                }
                if (session !== undefined) sessions.set(payload, session)
              }
              return batch
            })
          }
        })
    }))
  ).pipe(Layer.provide(GatewayConnection.layer))
  return { sessionOf: (payload) => sessions.get(payload), layer }
}

const sessionOfResume = (frame: string): string | undefined => {
  const { d, op } = JSON.parse(frame)
  return op === 6 ? String(d.session_id) : undefined
}
