/**
 * NATS behind the relay of the command.
 */
import * as Arr from "effect/Array"
import * as Layer from "effect/Layer"
import * as NatsBroker from "../relay/nats/NatsBroker.ts"
import { NatsClient } from "../relay/nats/NatsClient.ts"
import * as NatsOwner from "../relay/nats/NatsOwner.ts"
import type { RelayEngine, Urls } from "./RelayEngine.ts"

/** Engine at the URL: `nats://host`, `nats://user:password@host`, `nats://token@host`, `tls://…`. The first of several has the credentials. */
export const engineAt = (urls: Urls, replicas: number): RelayEngine => {
  const servers = Arr.map(urls, (url) => new URL(url))
  const hosts = servers.map(({ host }) => host)
  const { password, protocol, username } = servers[0]
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  const client = NatsClient.layer({
    servers: hosts,
    ...(protocol === "tls:" ? { tls: {} } : {}),
    ...(user === "" ? {} : pass === "" ? { token: user } : { user, pass })
  })
  return {
    address: hosts.join(", "),
    broker: (options) => Layer.provide(NatsBroker.layer({ ...options, replicas }), client),
    sessions: (name) => NatsOwner.layerWithSessions(name, client, { replicas })
  }
}
