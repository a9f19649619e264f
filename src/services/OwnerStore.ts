/**
 * Storage of the owner of a bot's sessions: one claim at a time, which ends by itself unless it is renewed.
 *
 * Each change of owner raises an epoch, so an owner that was paused finds out that there was another one meanwhile, even where
 * that one has gone again.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { SessionHolder } from "../schema/SessionHolder.ts"

/**
 * A claim of an instance.
 *
 * @since 0.1.0
 * @category models
 */
export interface OwnerClaim {
  /** Names the instance, and no other. */
  readonly token: string
  readonly holder: SessionHolder
  /**
   * Epoch under which the instance is the owner: then the claim renews, and takes nothing that was let go of or that another one
   * has. Undefined to become the owner.
   */
  readonly epoch: number | undefined
  /** Milliseconds for which the claim is good. */
  readonly lease: number
}

/**
 * The answer to a claim: it is granted under an epoch, or another instance holds the sessions.
 *
 * @since 0.1.0
 * @category models
 */
export type OwnerAnswer =
  | { readonly _tag: "Granted"; readonly epoch: number }
  | { readonly _tag: "Held"; readonly by: SessionHolder | undefined }

/**
 * A store of owners that does not answer, or not well.
 *
 * @since 0.1.0
 * @category models
 */
export interface OwnerStoreFailure {
  readonly message: string
}

/**
 * Storage of one owner: `RedisOwner.layer`, `SqlOwner.layer`, a file, or memory.
 *
 * @since 0.1.0
 * @category services
 */
export class OwnerStore extends Context.Service<
  OwnerStore,
  {
    /**
     * Takes the sessions if nobody holds them, or renews the claim that has this token already. A renewal is also granted by a
     * store that has lost what it had: Redis after a restart without persistence.
     */
    readonly claim: (claim: OwnerClaim) => Effect.Effect<OwnerAnswer, OwnerStoreFailure>
    /** Ends the claim of this token, if it still is the owner's. */
    readonly release: (token: string) => Effect.Effect<void, OwnerStoreFailure>
  }
>()("disruption-gateway/services/OwnerStore") {
  /** Keeps the owner in memory, for instances in one process: tests. */
  static readonly layerMemory: Layer.Layer<OwnerStore> = Layer.sync(OwnerStore, () => {
    let owner: { readonly claim: OwnerClaim; readonly until: number } | undefined
    let epoch = 0
    return {
      claim: (claim) =>
        Effect.map(Clock.currentTimeMillis, (now): OwnerAnswer => {
          const isOwn = owner?.claim.token === claim.token
          const isFree = claim.epoch === undefined && (owner === undefined || now >= owner.until)
          if (!isOwn && !isFree) return { _tag: "Held", by: owner?.claim.holder }
          if (!isOwn) epoch++
          owner = { claim, until: now + claim.lease }
          return { _tag: "Granted", epoch }
        }),
      release: (token) =>
        Effect.sync(() => {
          if (owner?.claim.token === token) owner = undefined
        })
    }
  })
}

/** Text of a holder in a store, and its reader. */
const HolderText = Schema.fromJsonString(SessionHolder)
export const encodeHolder = Schema.encodeSync(HolderText)
export const decodeHolder = Schema.decodeUnknownOption(HolderText)
