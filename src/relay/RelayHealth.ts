/**
 * State of a relay, as a route of `effect/http`, beside those of `GatewayHealth`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { GatewayRelay } from "./GatewayRelay.ts"

const headers = { "cache-control": "no-store" }

/**
 * `GET /relay` answers with the relay's state as JSON: 200 while it writes to the broker, and otherwise 503, `held` saying why. `name` is the
 * broker's, by which the relays of several bots are told apart.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | GatewayRelay> = HttpRouter.addAll(
  Effect.map(GatewayRelay, ({ status }) => [
    HttpRouter.route(
      "GET",
      "/relay",
      Effect.map(status, ({ broker, held, name, published, repeated }) =>
        HttpServerResponse.jsonUnsafe(
          { name, published, repeated, held: Option.getOrNull(held), broker: Option.getOrNull(broker) },
          { status: Option.isNone(held) ? 200 : 503, headers }
        )
      )
    )
  ])
)
