/**
 * The name of a bot in stores that several bots may share: what is kept of a shard is kept under it.
 *
 * Stores read it at each call, since a store is usually built before it is known whose it is; a gateway provides it to theirs
 * (`NamedStores`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Name under which a bot's sessions, times of IDENTIFYs, number of shards and guilds are kept in a store of
 * `effect/persistence`. Default: the bot's id, which is in its token, so that several bots may share a store. To be provided to
 * the gateway's layer, by those who run one bot twice, such as a copy for tests.
 *
 * ```ts
 * Gateway.layer.pipe(Layer.provide(Layer.succeed(StoreName, "staging")))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const StoreName: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "disruption-gateway/services/StoreName",
  { defaultValue: () => undefined }
)

/** A key in a store, under the name of the bot whose gateway calls. */
export const named = (key: string): Effect.Effect<string> =>
  Effect.map(StoreName, (name) => (name === undefined ? key : `${name}/${key}`))
