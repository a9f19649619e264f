/**
 * Redis behind the relay of the command.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Layer from "effect/Layer"
import * as RedisBroker from "../relay/redis/RedisBroker.ts"
import * as RedisOwner from "../services/RedisOwner.ts"
import type { RelayEngine, Urls } from "./RelayEngine.ts"

/** Engine at the URL. */
export const engineAt = ([url]: Urls): RelayEngine => {
  const redis = NodeRedis.layer({ url })
  return {
    address: new URL(url).host,
    broker: (options) => Layer.provide(RedisBroker.layer(options), redis),
    sessions: (name) => RedisOwner.layerWithSessions(name, redis)
  }
}
