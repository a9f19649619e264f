/**
 * NATS behind the relay of the command.
 */
import * as Layer from "effect/Layer"
import * as NatsBroker from "../relay/nats/NatsBroker.ts"
import { NatsClient } from "../relay/nats/NatsClient.ts"
import * as NatsOwner from "../relay/nats/NatsOwner.ts"
import type { RelayEngine } from "./RelayEngine.ts"

/** Engine at the URL: `nats://host`, `nats://user:password@host`, `nats://token@host`, `tls://…`. */
export const engineAt = (url: string): RelayEngine => {
  const { host, password, protocol, username } = new URL(url)
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  const client = NatsClient.layer({
    servers: host,
    ...(protocol === "tls:" ? { tls: {} } : {}),
    ...(user === "" ? {} : pass === "" ? { token: user } : { user, pass })
  })
  return {
    broker: (options) => Layer.provide(NatsBroker.layer(options), client),
    sessions: (name) => NatsOwner.layerWithSessions(name, client)
  }
}
