/**
 * Feed of the connections' events, to watchers and to the log.
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
  /** The events, beginning with the last ones before. A slow watcher misses the oldest. */
  readonly changes: Stream.Stream<ShardEvent>
  /** Ends the feed. */
  readonly end: Effect.Effect<void>
}

/** Number of events that a slow watcher may be behind. The feed has room for them from its beginning. */
const mostKept = 4096
/** The same for each shard, where these are few: in a cluster each has a feed of its own. */
const keptOfEach = 256
/** Number of past events that a late watcher gets. */
const replayed = 128

/** Opens a feed of the events of so many shards, by default of many. `onEvent` gets every event before the watchers do. */
export const make = (
  onEvent: (event: ShardEvent) => void,
  shards: number = Number.POSITIVE_INFINITY
): Effect.Effect<ShardEvents> =>
  Effect.map(
    PubSub.sliding<ShardEvent>({ capacity: Math.min(mostKept, keptOfEach * shards), replay: replayed }),
    (feed) => ({
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
    })
  )
