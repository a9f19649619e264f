// One machine of a cluster: start as many as there is work for, each with its address (CLUSTER_HOST, CLUSTER_PORT), all with
// the same database (DATABASE_URL), and with Redis (REDIS_URL) if there is one. The cluster gives each its shards.
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { ClusterDashboard, ClusterHealth, GatewayCluster, NodeCluster } from "disruption-gateway/cluster"
import { Config, Effect, Layer, Stream } from "effect"
import { HttpRouter } from "effect/http"

// The same as in one process: it runs where the shard runs.
const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  yield* gateway
    .on("MESSAGE_CREATE")
    .pipe(Stream.runForEach(({ d, shard }) => Effect.log(`shard ${shard}: ${d.author.username}: ${d.content}`)))
})

const Machine = NodeCluster.layerEnv.pipe(
  Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })),
  Layer.provideMerge(GatewayConfig.layerEnv)
)

// The whole cluster is at http://…:8080/gateway/, for those who reach the port; /livez and /readyz are for its supervisor.
const Http = HttpRouter.serve(Layer.mergeAll(ClusterHealth.layer, ClusterDashboard.layer), {
  disableLogger: true
}).pipe(
  Layer.provide(NodeHttpServer.layerConfig(createServer, { port: Config.withDefault(Config.Int("HEALTH_PORT"), 8080) }))
)

const Cluster = Http.pipe(Layer.provideMerge(GatewayCluster.layer(bot)), Layer.provide(Machine))

Effect.flatMap(GatewayCluster, ({ failure }) => failure).pipe(Effect.provide(Cluster), NodeRuntime.runMain)
