/**
 * Registry of the gateways on this machine, by the names of their shards.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import type { Gateway } from "../gateway/Gateway.ts"

/** Registry of the shards that run here. */
export class LocalShards {
  private readonly gateways = new Map<string, Gateway["Service"]>()
  private changed = Latch.makeUnsafe(false)

  private readonly events: PubSub.PubSub<ShardEvent>
  /** Events of this machine's connections, beginning with the last 128. */
  readonly changes: Stream.Stream<ShardEvent>

  private constructor(events: PubSub.PubSub<ShardEvent>) {
    this.events = events
    this.changes = Stream.fromPubSub(events)
  }

  /** A machine that runs no shard yet. */
  static readonly make: Effect.Effect<LocalShards> = Effect.map(
    PubSub.sliding<ShardEvent>({ capacity: 128, replay: 128 }),
    (events) => new LocalShards(events)
  )

  /** The shard runs here until the scope closes. */
  readonly host = (name: string, gateway: Gateway["Service"]) =>
    Effect.andThen(
      Effect.acquireRelease(
        Effect.sync(() => {
          this.gateways.set(name, gateway)
          this.changed.openUnsafe()
          this.changed = Latch.makeUnsafe(false)
        }),
        () => Effect.sync(() => this.gateways.delete(name))
      ),
      Effect.forkScoped(Stream.runForEach(gateway.changes, this.tell))
    )

  /** Tells those who watch this machine's connections of an event that is not of one of them. */
  readonly tell = (event: ShardEvent): Effect.Effect<boolean> => PubSub.publish(this.events, event)

  /** The gateway of a shard; waits for one that is about to start here. */
  readonly gatewayOf = (name: string): Effect.Effect<Gateway["Service"]> =>
    Effect.suspend(() => {
      const gateway = this.gateways.get(name)
      return gateway === undefined ? Effect.andThen(this.changed.await, this.gatewayOf(name)) : Effect.succeed(gateway)
    })

  /** Status of this machine's shards. */
  readonly status: Effect.Effect<ReadonlyArray<ShardStatus>> = Effect.suspend(() =>
    Effect.map(
      Effect.forEach([...this.gateways.values()], (gateway) => gateway.shards),
      (statuses) => statuses.flat()
    )
  )
}

/** Time limit of the answer for a shard that is starting here. */
export const startingTime = Duration.seconds(2)
