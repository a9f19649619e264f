// One relay of a fleet: a machine of a cluster, whose shards write to the broker that the environment names.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Effect, Layer, Logger } from "effect"
import { GatewayCluster, NodeCluster } from "../../src/cluster.ts"
import { GatewayConfig } from "../../src/index.ts"
import { GatewayRelay } from "../../src/relay.ts"
import { Broker } from "./BrokerOfEnvironment.ts"

// As many parts as shards: with more it is chance which machine has one of four.
const Machine = NodeCluster.layerEnvWith({ sharding: { shardsPerGroup: 4 } }).pipe(
  Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })),
  Layer.provideMerge(GatewayConfig.layerEnv)
)

const Relay = Layer.provide(GatewayRelay.layerShared, Broker)

GatewayCluster.run(GatewayRelay.relay).pipe(
  Effect.provide(Layer.mergeAll(Machine, Relay, Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))),
  NodeRuntime.runMain({ disableErrorReporting: false })
)
