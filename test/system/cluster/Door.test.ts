import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as EntityAddress from "effect/cluster/EntityAddress"
import * as EntityId from "effect/cluster/EntityId"
import * as EntityType from "effect/cluster/EntityType"
import * as Envelope from "effect/cluster/Envelope"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as Runners from "effect/cluster/Runners"
import * as ClusterShardId from "effect/cluster/ShardId"
import * as Snowflake from "effect/cluster/Snowflake"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import { ClusterMessage } from "../../../src/cluster/ClusterMessage.ts"
import { bodies } from "../../../src/cluster/DiscordShard.ts"
import { GatewayCluster } from "../../../src/cluster/GatewayCluster.ts"
import * as MachineSockets from "../../../src/cluster/MachineSockets.ts"
import * as NodeCluster from "../../../src/cluster/NodeCluster.ts"
import * as ShardNames from "../../../src/cluster/ShardNames.ts"
import { ShardId } from "../../../src/schema/ShardId.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import { freePort } from "../../cluster/Machines.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"

const secret = Redacted.make("the secret of this cluster")
const shards = 2
const parts = 1

/** Tells a machine to give a shard a new connection, as another machine of the cluster would. */
const restart = (port: number, requestId: number) =>
  Effect.gen(function* () {
    const protocols = yield* Runners.RpcClientProtocol
    const protocol = yield* protocols.make(RunnerAddress.make("127.0.0.1", port))
    const message = yield* bodies.nothing.write({}, 1)
    const machine = yield* Effect.provideService(Runners.makeRpcClient, RpcClient.Protocol, protocol)
    return yield* machine.Effect({
      persisted: false,
      request: Envelope.PartialRequest.make({
        _tag: "Request",
        requestId: Snowflake.Snowflake(BigInt(requestId)),
        address: EntityAddress.make({
          shardId: ClusterShardId.make("default", 1),
          entityType: EntityType.make("disruption-gateway/DiscordShard"),
          entityId: EntityId.make(ShardNames.inTurn(() => 1, parts)(new ShardId({ id: 0, total: shards })))
        }),
        tag: "Restart",
        payload: yield* Schema.encodeEffect(protocols.codecFor(ClusterMessage))(message),
        headers: Headers.empty
      })
    })
  }).pipe(Effect.scoped, Effect.timeout("2 seconds"), Effect.exit)

const knowing = (secret: string) => MachineSockets.layerClientProtocol(Redacted.make(secret))
const binary = RpcSerialization.layerSchemaBinary()

/** Sends bytes, and waits until the machine has ended the connection. */
const garbage = (port: number, bytes: Uint8Array) =>
  Effect.callback<void>((resume) => {
    const socket = connect({ host: "127.0.0.1", port })
    socket.on("error", () => undefined)
    socket.on("close", () => resume(Effect.void))
    socket.resume()
    socket.end(bytes)
  })

describe.skipIf(!hasPostgres)("the port of a machine", () => {
  it.live("does what the machines of its cluster say, and nothing that a stranger does, who can do it no harm", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const simulator = yield* DiscordSimulator
      const port = yield* freePort
      const refusals: Array<string> = []
      const log = Logger.make(({ message }) => void refusals.push(String(message)))
      yield* Effect.gen(function* () {
        const cluster = yield* GatewayCluster
        yield* until(cluster.shards, (all) => all.every(({ state }) => state === "ready"))
        const connections = Effect.map(simulator.connections, ({ length }) => length)
        const before = yield* connections

        const strangers = [NodeClusterSocket.layerClientProtocol, knowing("another secret"), knowing("")]
        const tries = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index),
          (index) =>
            Effect.provide(
              restart(port, index + 1),
              Layer.provide(strangers[index % strangers.length] ?? NodeClusterSocket.layerClientProtocol, binary)
            ),
          { concurrency: 25 }
        )
        assert.isFalse(tries.some(Exit.isSuccess))
        yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => randomBytes(1 + index * 400)),
          (bytes) => garbage(port, bytes),
          { concurrency: 25 }
        )
        assert.strictEqual(yield* connections, before)
        assert.isTrue(refusals.some((text) => text.includes("does not know the cluster's secret")))

        const told = yield* Effect.provide(
          restart(port, 1000),
          Layer.provide(MachineSockets.layerClientProtocol(secret), binary)
        )
        assert.isTrue(Exit.isSuccess(told), String(told))
        yield* until(connections, (count) => count === before + 1)
      }).pipe(
        Effect.provide(
          GatewayCluster.layer(Effect.never).pipe(
            Layer.provide(
              NodeCluster.layer({
                host: "127.0.0.1",
                listenHost: "127.0.0.1",
                port,
                secret,
                sharding: { shardsPerGroup: parts }
              })
            ),
            Layer.provide([
              PgClient.layer({ url: Redacted.make(database.url()) }),
              GatewayConfig.layer({ token: simulator.token, apiUrl: simulator.apiUrl, shards })
            ]),
            Layer.provideMerge(Logger.layer([log]))
          )
        )
      )
    }).pipe(Effect.provide(DiscordSimulator.serve({ shards, maxConcurrency: shards, history: 2000 })))
  )
})
