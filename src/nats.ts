/**
 * `disruption-gateway/relay/nats`: the relay's broker on NATS, and the owner of its sessions.
 *
 * An entry of its own, as the client of NATS is installed only where it is used.
 */
export * as NatsBroker from "./relay/nats/NatsBroker.ts"
export { NatsClient } from "./relay/nats/NatsClient.ts"
export * as NatsOwner from "./relay/nats/NatsOwner.ts"
