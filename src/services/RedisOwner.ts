/**
 * Owner of a bot's sessions in Redis: a hash, whose time is Redis's. Scripts claim and release, so each is one step.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { flow } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redis from "effect/persistence/Redis"
import { failureText } from "./FailureText.ts"
import * as LateOwner from "./LateOwner.ts"
import {
  decodeHolder,
  encodeHolder,
  type OwnerAnswer,
  type OwnerClaim,
  OwnerStore,
  type OwnerStoreFailure
} from "./OwnerStore.ts"
import * as RedisFencedSessions from "./RedisFencedSessions.ts"
import type { SessionStore } from "./SessionStore.ts"

const claimScript = Redis.script(
  (key: string, { epoch, holder, lease, token }: OwnerClaim) => [
    key,
    token,
    encodeHolder(holder),
    String(lease),
    epoch === undefined ? "" : String(epoch)
  ],
  {
    numberOfKeys: 1,
    lua: `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local token, expires, holder, epoch = unpack(redis.call("HMGET", KEYS[1], "token", "expires", "holder", "epoch"))
if token ~= ARGV[1] then
  local renews = ARGV[4] ~= ""
  if epoch and (renews or (token and tonumber(expires) > now)) then
    return { "0", holder }
  end
  redis.call("HSET", KEYS[1], "epoch", renews and ARGV[4] or string.format("%.0f", (epoch or 0) + 1))
end
redis.call("HSET", KEYS[1], "token", ARGV[1], "holder", ARGV[2], "expires", string.format("%.0f", now + ARGV[3]))
return { redis.call("HGET", KEYS[1], "epoch"), "" }
`
  }
).withReturnType<readonly [epoch: string, holder: string]>()

const releaseScript = Redis.script((key: string, token: string) => [key, token], {
  numberOfKeys: 1,
  lua: `
if redis.call("HGET", KEYS[1], "token") == ARGV[1] then
  redis.call("HDEL", KEYS[1], "token")
end
return 1
`
}).withReturnType<number>()

const unanswered = (error: Redis.RedisError): OwnerStoreFailure => ({ message: failureText(error) })

/**
 * Keeps the owner and the sessions of this name in Redis, where nothing is taken from an instance that is no owner any more: a
 * fencing token says so, and not a clock. Instances that run the same shards of one bot have the same name; parts of a bot with other
 * shards have others. The client is connected at the first call, and again after a failure.
 *
 * ```ts
 * Gateway.layer.pipe(
 *   Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
 *   Layer.provide(RedisOwner.layerWithSessions("my-bot", NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithSessions = <E, R>(
  name: string,
  client: Layer.Layer<Redis.Redis, E, R>
): Layer.Layer<OwnerStore | SessionStore, never, R> =>
  LateOwner.layer(Layer.mergeAll(layer(name), RedisFencedSessions.layer(name)).pipe(Layer.provide(client)))

/**
 * Keeps the owner alone of the sessions of this name in Redis, for sessions that are elsewhere.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (name: string): Layer.Layer<OwnerStore, never, Redis.Redis> =>
  Layer.effect(
    OwnerStore,
    Effect.map(Redis.Redis, (redis) => {
      const key = `disruption-gateway_owner:${name}`
      const claim = flow(redis.eval(claimScript), Effect.mapError(unanswered))
      const release = flow(redis.eval(releaseScript), Effect.mapError(unanswered))
      return OwnerStore.of({
        claim: (wanted) =>
          Effect.map(claim(key, wanted), ([epoch, holder]): OwnerAnswer =>
            epoch === "0"
              ? { _tag: "Held", by: Option.getOrUndefined(decodeHolder(holder)) }
              : { _tag: "Granted", epoch: Number(epoch) }
          ),
        release: (token) => Effect.asVoid(release(key, token))
      })
    })
  )
