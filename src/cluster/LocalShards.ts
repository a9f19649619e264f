/**
 * The gateways of the shards that run on this machine, for those that ask for one by its name.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import type { Gateway } from "../services/Gateway.ts"
import { nameOf } from "./DiscordShard.ts"

/** Which shards run here. */
export class LocalShards {
  private readonly gateways = new Map<string, Gateway["Service"]>()
  private changed = Latch.makeUnsafe(false)

  /** The shard runs here until the scope closes. */
  readonly host = (shard: ShardId, gateway: Gateway["Service"]) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        this.gateways.set(nameOf(shard), gateway)
        this.changed.openUnsafe()
        this.changed = Latch.makeUnsafe(false)
      }),
      () => Effect.sync(() => this.gateways.delete(nameOf(shard)))
    )

  /** The gateway of a shard; waits for one that is about to start here. */
  readonly gatewayOf = (name: string): Effect.Effect<Gateway["Service"]> =>
    Effect.suspend(() => {
      const gateway = this.gateways.get(name)
      return gateway === undefined ? Effect.andThen(this.changed.await, this.gatewayOf(name)) : Effect.succeed(gateway)
    })

  /** How the shards of this machine are doing. */
  readonly status: Effect.Effect<ReadonlyArray<ShardStatus>> = Effect.suspend(() =>
    Effect.map(
      Effect.forEach([...this.gateways.values()], (gateway) => gateway.shards),
      (statuses) => statuses.flat()
    )
  )
}

/** How long the answer for a shard may take that is starting here. */
export const startingTime = Duration.seconds(2)
