/**
 * The dashboard of a relay: that of its gateway, with what the broker holds, and whether the relay waits for it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as GatewayDashboard from "../dashboard/GatewayDashboard.ts"
import { Gateway } from "../gateway/Gateway.ts"
import { GatewayMonitor, type MonitoredGateway } from "../gateway/GatewayMonitor.ts"
import { GatewayRelay } from "./GatewayRelay.ts"

const monitored: Effect.Effect<MonitoredGateway, never, Gateway | GatewayRelay> = Effect.gen(function* () {
  const { changes, identifyBudget, info, shards } = yield* Gateway
  const { status } = yield* GatewayRelay
  return {
    changes,
    identifyBudget,
    info,
    shards,
    relay: Effect.map(status, ({ broker, held, name, published }) => ({
      name,
      published,
      held,
      broker: Option.map(broker, ({ age, ...counts }) => ({ ...counts, age: Duration.millis(age) }))
    }))
  }
})

/**
 * The relay's dashboard at a path of your choice.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (
  options: GatewayDashboard.DashboardOptions
): Layer.Layer<never, never, HttpRouter.HttpRouter | Gateway | GatewayRelay> =>
  GatewayDashboard.layerOfMonitor({ title: "Discord relay", ...options }).pipe(
    Layer.provide(GatewayMonitor.layerOf(monitored))
  )

/**
 * The relay's dashboard: `HttpRouter.serve(RelayDashboard.layer)`, at `/gateway`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = layerWith({})
