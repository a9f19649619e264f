/**
 * Server of `run --dashboard`: the page, and the probes that `run --healthcheck` asks.
 */
import { createServer } from "node:http"
import { hostname } from "node:os"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as GatewayDashboard from "../dashboard/GatewayDashboard.ts"
import * as GatewayHealth from "../dashboard/GatewayHealth.ts"
import type { Gateway } from "../gateway/Gateway.ts"
import type { Address } from "./Address.ts"

/** The address cannot be bound. */
export class AddressUnavailable extends Schema.TaggedError<AddressUnavailable>("disruption-gateway/AddressUnavailable")(
  "AddressUnavailable",
  {
    address: Schema.String,
    description: Schema.String
  }
) {
  override get message() {
    return `--dashboard ${this.address}: ${this.description}`
  }
}

/** Serves the page, and more routes, until the scope closes. Returns the bound address; port 0 takes any free one. */
export const serve = (
  address: Address,
  more: Layer.Layer<never, never, HttpRouter.HttpRouter> = Layer.empty,
  page: (
    options: GatewayDashboard.DashboardOptions
  ) => Layer.Layer<never, never, HttpRouter.HttpRouter | Gateway> = GatewayDashboard.layerWith
): Effect.Effect<Address, AddressUnavailable, Gateway | Scope.Scope> =>
  Layer.build(
    HttpRouter.serve(
      Layer.mergeAll(page({ path: "/", hosts: [address.host, hostname()] }), GatewayHealth.layer, more),
      { disableLogger: true, disableListenLog: true }
    ).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { ...address, gracefulShutdownTimeout: 0 })))
  ).pipe(
    Effect.map((context) => {
      const bound = Context.get(context, HttpServer.HttpServer).address
      return bound._tag === "UnixPathAddress" ? address : { ...address, port: bound.port }
    }),
    Effect.mapError(({ cause }) => {
      const description = cause instanceof Error ? cause.message : String(cause)
      return new AddressUnavailable({ address: `${address.host}:${address.port}`, description })
    })
  )
