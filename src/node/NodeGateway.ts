/**
 * The gateway with Node's parts: WebSockets of `ws`, HTTP of `node:http`.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Layer from "effect/Layer"
import type { GatewayError } from "../schema/GatewayError.ts"
import { type Gateway, GatewayLive } from "../services/Gateway.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import * as NodeWebSocket from "./NodeWebSocket.ts"

/** Layers of the gateway for programs on Node.js. */
export const NodeGateway: {
  /** `GatewayLive` with all that it needs but the configuration. */
  readonly layer: Layer.Layer<Gateway, GatewayError, GatewayConfig>
  /** Only the WebSockets, for gateways put together by hand. */
  readonly layerWebSocketConstructor: typeof NodeWebSocket.layer
} = {
  layer: GatewayLive.pipe(Layer.provide([NodeWebSocket.layer, NodeHttpClient.layerNodeHttp])),
  layerWebSocketConstructor: NodeWebSocket.layer
}
