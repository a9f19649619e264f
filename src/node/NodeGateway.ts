/**
 * The gateway on Node.js: WebSockets of `ws`, HTTP of `node:http`, zlib of `node:zlib`, sessions in a file.
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import type * as Socket from "effect/socket/Socket"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import { Gateway, GatewayLive } from "../gateway/Gateway.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayConnection } from "../services/GatewayConnection.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import { GatewayOwner, type OwnerOptions } from "../services/GatewayOwner.ts"
import { GuildSnapshots } from "../services/GuildSnapshots.ts"
import { Heartbeat } from "../services/Heartbeat.ts"
import { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import { SessionStore } from "../services/SessionStore.ts"
import * as IdentifyFile from "./IdentifyFile.ts"
import * as NodeDecompression from "./NodeDecompression.ts"
import * as NodeWebSocket from "./NodeWebSocket.ts"
import * as OwnerFile from "./OwnerFile.ts"

const platform = Layer.mergeAll(NodeWebSocket.layer, NodeHttpClient.layerNodeHttp, NodeDecompression.layer)

/**
 * `GatewayLive` with everything but the configuration. The times of IDENTIFYs are kept in the user's state folder
 * (`keepIdentifies`).
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Gateway, GatewayError, GatewayConfig> = GatewayLive.pipe(
  Layer.provide([platform, IdentifyFile.layer])
)

/**
 * All services but the stores, with the WebSocket and the HTTP client: for `Gateway.layer` with a `SessionStore` and an
 * `IdentifyLimiter` of your choice.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerServices: Layer.Layer<
  GatewayConnection | GatewayDirectory | Heartbeat | Socket.WebSocketConstructor | HttpClient.HttpClient,
  never,
  GatewayConfig
> = Layer.mergeAll(GatewayConnection.layer, GatewayDirectory.layer, Heartbeat.layer).pipe(Layer.provideMerge(platform))

/**
 * This process, as a `GatewayOwner` names it to another one.
 *
 * @category models
 * @since 0.1.0
 */
export const instance: OwnerOptions["instance"] = { host: hostname(), pid: process.pid }

/**
 * Options of a gateway with its sessions in a file.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionFileOptions extends Omit<OwnerOptions, "instance"> {
  /**
   * File in which the guilds are kept (`GuildSnapshots`), beside that of the sessions and not the same. What an owner that was
   * followed still writes does not come into it, as with the sessions. Default: none are kept.
   */
  readonly guilds?: string | undefined
}

/**
 * The gateway with its sessions in a file: a restarted program resumes and gets the missed payloads. A second process on the same
 * file waits until the first one has ended, or fails, as `whenOwned` says. Fails with `InvalidConfig` if the file cannot be
 * written.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithSessionFile = (
  path: string,
  options: SessionFileOptions = {}
): Layer.Layer<Gateway, GatewayError, GatewayConfig> => {
  const ownerFile = OwnerFile.layer(path).pipe(Layer.provide(NodeFileSystem.layer))
  const inFile = <A, R>(what: string, path: string, layer: Layer.Layer<A, PlatformError, FileSystem.FileSystem | R>) =>
    layer.pipe(
      Layer.provide([NodeFileSystem.layer, ownerFile]),
      Layer.catch(({ message, reason }) => {
        const description = reason.cause instanceof Error ? reason.cause.message : message
        const error = new GatewayError({ reason: new InvalidConfig({ option: `${what} file ${path}`, description }) })
        return Layer.effectContext(Effect.fail(error))
      })
    )
  const sessions = inFile("session", path, SessionStore.layerFile(path))
  const owner = GatewayOwner.layer({ ...options, instance }).pipe(Layer.provide(ownerFile))
  const gateway = Gateway.layerNoDeps.pipe(
    Layer.provide([sessions, IdentifyLimiter.layerMemory, owner]),
    Layer.provide(layerServices)
  )
  const { guilds } = options
  return guilds === undefined
    ? gateway
    : gateway.pipe(Layer.provide(inFile("guilds", guilds, GuildSnapshots.layerFile(guilds))))
}

/**
 * `WebSocketConstructor` alone, for a custom composition of the services.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocketConstructor: Layer.Layer<Socket.WebSocketConstructor, never, GatewayConfig> =
  NodeWebSocket.layer
