/**
 * Health checks of a machine for a container's supervisor, as routes of `effect/http`.
 *
 * Readiness is that of the machine in the cluster, whatever the state of its shards: where Kubernetes judges the machines
 * (`runnerHealth: "k8s"`), one that is not ready loses its shards, which an outage of Discord's must not cause.
 *
 * @since 0.1.0
 */
import * as Sharding from "effect/cluster/Sharding"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import { GatewayCluster } from "./GatewayCluster.ts"

const routes = Effect.gen(function* () {
  const cluster = yield* GatewayCluster
  const sharding = yield* Sharding.Sharding
  return [
    HttpRouter.route("GET", "/livez", HttpServerResponse.text("ok")),
    HttpRouter.route(
      "GET",
      "/readyz",
      Effect.map(sharding.isShutdown, (isShutdown) =>
        isShutdown ? HttpServerResponse.text("leaving", { status: 503 }) : HttpServerResponse.text("ok")
      )
    ),
    HttpRouter.route(
      "GET",
      "/shards",
      Effect.map(cluster.here, (here) =>
        HttpServerResponse.jsonUnsafe(
          here.map(({ shard, since, state }) => ({ shard: shard.toString(), state, since: DateTime.formatIso(since) }))
        )
      )
    )
  ]
})

/**
 * `GET /livez` answers 200 while the process does; `GET /readyz` 200 while the machine takes part in the cluster and 503 once
 * it leaves; `GET /shards` how the machine's own shards are doing, as JSON.
 *
 * ```ts
 * HttpRouter.serve(ClusterHealth.layer).pipe(Layer.provide(NodeHttpServer.layer(createServer, { port: 8080 })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | GatewayCluster | Sharding.Sharding> =
  HttpRouter.addAll(routes)
