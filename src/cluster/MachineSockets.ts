/**
 * Sockets between the machines of a cluster, which only those can use that know its secret.
 *
 * TLS with a pre-shared key (RFC 5489): each side proves that it knows the secret, nothing that travels can be read or replayed,
 * and there are no certificates to keep. Who does not know it gets no further than the handshake.
 */
import { createHmac } from "node:crypto"
import type { Socket as NetSocket } from "node:net"
import * as tls from "node:tls"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SocketRunner from "effect/cluster/SocketRunner"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import * as Retreat from "./Retreat.ts"

/** Options of a machine's sockets. */
export interface MachineSocketsOptions {
  /** Secret of the cluster; undefined for sockets that are open to whoever reaches them. */
  readonly secret: Redacted.Redacted | undefined
  readonly sharding: ShardingConfig.ShardingConfig["Service"]
  readonly runnerHealth: "ping" | "k8s" | undefined
  readonly kubernetes:
    | { readonly namespace?: string | undefined; readonly labelSelector?: string | undefined }
    | undefined
}

/** Effect's cluster over sockets. */
export const layer = ({ kubernetes, runnerHealth, secret, sharding }: MachineSocketsOptions) => {
  const sockets =
    secret === undefined
      ? Layer.merge(NodeClusterSocket.layerSocketServer, NodeClusterSocket.layerClientProtocol)
      : Layer.merge(layerServer(secret), layerClientProtocol(secret))
  const health =
    runnerHealth === "k8s"
      ? RunnerHealth.layerK8s(kubernetes).pipe(Layer.provide(NodeClusterSocket.layerK8sHttpClient))
      : RunnerHealth.layerPing.pipe(Layer.provide(Runners.layerRpc))
  return SocketRunner.layer.pipe(
    Layer.provide(Layer.provide(Retreat.layerHealth, health)),
    Layer.provide(sockets),
    Layer.provide(secret === undefined ? Layer.effectDiscard(warnOfOpenDoor(sharding)) : Layer.empty),
    Layer.provide(ShardingConfig.layerFromEnv(sharding)),
    Layer.provide(RpcSerialization.layerSchemaBinary())
  )
}

const loopback = /^(127\.|::1$|localhost$)/

const warnOfOpenDoor = ({ runnerListenAddress }: ShardingConfig.ShardingConfig["Service"]) =>
  Option.exists(runnerListenAddress, ({ host }) => loopback.test(host))
    ? Effect.void
    : Effect.logWarning(
        "This machine takes commands from whoever reaches its port. Set CLUSTER_SECRET, the same on all machines."
      )

/** Of TLS 1.2, since Node.js takes pre-shared keys in no later one; with forward secrecy, and without a certificate. */
const cipher = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2"
} as const

const identity = "disruption-gateway"

const keyOf = (secret: Redacted.Redacted): Uint8Array =>
  createHmac("sha256", "disruption-gateway/cluster").update(Redacted.value(secret)).digest()

/** Time limit of the handshake. */
const handshakeTime = Duration.seconds(5)

/** A connection whose other side does not know the secret. */
class Refused extends Schema.TaggedError<Refused>("disruption-gateway/Refused")("Refused", {
  description: Schema.String
}) {}

/** Server of the machine's port, which hands on the connections whose other side knows the secret. */
export const layerServer = (
  secret: Redacted.Redacted
): Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError, ShardingConfig.ShardingConfig> =>
  Layer.effect(
    SocketServer.SocketServer,
    Effect.gen(function* () {
      const { runnerAddress, runnerListenAddress } = yield* ShardingConfig.ShardingConfig
      const { host, port } = yield* Effect.orDie(
        Effect.fromOption(Option.orElse(runnerListenAddress, () => runnerAddress))
      )
      const server = yield* NodeSocketServer.make({ host, port })
      const key = keyOf(secret)
      const logRefusal = makeRefusalLog()
      return SocketServer.SocketServer.of({
        address: server.address,
        run: (handler) =>
          server.run(() =>
            Effect.scoped(
              Effect.gen(function* () {
                const connection = Option.getOrUndefined(yield* Effect.serviceOption(NodeSocket.NetSocket))
                if (connection === undefined) return
                const from = connection.remoteAddress ?? "somewhere"
                const secured = yield* Effect.result(handshake(connection, key))
                if (secured._tag === "Failure") return yield* logRefusal(from, secured.failure.description)
                yield* Effect.flatMap(NodeSocket.fromDuplex(Effect.succeed(secured.success)), handler)
              })
            )
          )
      })
    })
  )

/** The server's side of a handshake. The connection ends with the scope. */
const handshake = (connection: NetSocket, key: Uint8Array): Effect.Effect<tls.TLSSocket, Refused, Scope.Scope> =>
  Effect.gen(function* () {
    // A variable, because the types of Node.js leave `pskCallback` out here, though it takes it as `createServer` does.
    const options = { isServer: true, secureContext: tls.createSecureContext(cipher), pskCallback: () => key }
    const secured = new tls.TLSSocket(connection, options)
    // Without a listener an error would end the process.
    secured.on("error", () => undefined)
    yield* Effect.addFinalizer((exit) =>
      Effect.sync(() => {
        if (exit._tag === "Success") secured.destroySoon()
        else secured.destroy()
      })
    )
    return yield* Effect.callback<tls.TLSSocket, Refused>((resume) => {
      const refuse = (description: string) => {
        secured.destroy()
        resume(Effect.fail(new Refused({ description })))
      }
      secured.once("secure", () => resume(Effect.succeed(secured)))
      secured.once("error", (error) => refuse("code" in error ? String(error.code) : error.message))
      secured.once("close", () => refuse("it left before it had shown that it knows it"))
    }).pipe(
      Effect.timeoutOrElse({
        duration: handshakeTime,
        orElse: () => {
          secured.destroy()
          return Effect.fail(new Refused({ description: "it said nothing" }))
        }
      })
    )
  })

/** Interval of refusals in the log: a scan of ports is not to fill it. */
const logEvery = Duration.seconds(10)

const makeRefusalLog = () => {
  let refused = 0
  let logged: number | undefined
  return (from: string, description: string) =>
    Effect.flatMap(MonotonicTime.now, (now) => {
      refused++
      if (logged !== undefined && now - logged < Duration.toMillis(logEvery)) return Effect.void
      logged = now
      return Effect.logWarning(
        `A connection from ${from} was refused, because it does not know the cluster's secret (${description}). ` +
          `Refused so far: ${refused}.`
      )
    })
}

/** Client of other machines' ports. */
export const layerClientProtocol = (
  secret: Redacted.Redacted
): Layer.Layer<Runners.RpcClientProtocol, never, RpcSerialization.RpcSerialization> =>
  Layer.effect(
    Runners.RpcClientProtocol,
    Effect.map(RpcSerialization.RpcSerialization, (serialization) => {
      const psk = keyOf(secret)
      return {
        codecFor: serialization.codecFor,
        make: ({ host, port }) =>
          NodeSocket.makeTls({
            ...cipher,
            host,
            port,
            pskCallback: () => ({ psk, identity }),
            // There is no certificate; the key is the proof.
            checkServerIdentity: () => undefined,
            openTimeout: "1 second",
            timeout: 5500
          }).pipe(
            Effect.flatMap((socket) => Effect.provideService(RpcClient.makeProtocolSocket(), Socket.Socket, socket)),
            Effect.provideService(RpcSerialization.RpcSerialization, serialization)
          )
      }
    })
  )
