/**
 * `disruption-gateway/node`: the gateway for programs on Node.js.
 */
export { NodeGateway } from "./node/NodeGateway.ts"
