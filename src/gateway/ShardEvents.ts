/**
 * Announces what happens to the connections: to whoever watches, and to the log.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { describeShardEvent, levelOfShardEvent, type ShardEvent } from "../schema/ShardEvent.ts"

/** The feed of one gateway. */
export interface ShardEvents {
  /** Announces an event. `event` is given the time. */
  readonly announce: (event: (at: DateTime.Utc) => ShardEvent) => Effect.Effect<void>
  /** Begins with the last events before, so that a late watcher knows how things came to be. A slow one misses the oldest. */
  readonly changes: Stream.Stream<ShardEvent>
  /** Ends the feed. */
  readonly end: Effect.Effect<void>
}

/** Events that a slow watcher may be behind, and that a late one is told. */
const kept = { capacity: 4096, replay: 128 }

/** Opens a feed. `onEvent` hears of everything first. */
export const make = (onEvent: (event: ShardEvent) => void): Effect.Effect<ShardEvents> =>
  Effect.map(PubSub.sliding<ShardEvent>(kept), (feed) => ({
    announce: Effect.fnUntraced(function* (make) {
      const event = make(yield* DateTime.now)
      onEvent(event)
      yield* PubSub.publish(feed, event)
      yield* Effect.annotateLogs(Effect.logWithLevel(levelOfShardEvent(event))(describeShardEvent(event)), {
        shard: event.shard,
        event: event._tag,
        ...("sessionId" in event ? { session: event.sessionId } : {})
      })
    }),
    changes: Stream.fromPubSub(feed),
    end: PubSub.shutdown(feed)
  }))
