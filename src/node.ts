/**
 * `disruption-gateway/node`: the gateway for programs on Node.js.
 */
export * as NodeGateway from "./node/NodeGateway.ts"
