/**
 * History of IDENTIFYs over processes: the pace and the reserve hold over restarts, and a crash loop slows down.
 *
 * A start is an IDENTIFY of a shard by a new process. Starts count in a row until one ends in peace (by a signal, or with
 * success), or an hour has passed without one. Ten are free; before each further one the wait since the last doubles.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ShardId } from "../schema/ShardId.ts"
import type { GatewayDirectory } from "../services/GatewayDirectory.ts"
import type { IdentifyRecord, IdentifyTimes } from "../services/IdentifyStore.ts"

/** Time between two IDENTIFYs of a bucket by different processes: Discord's 5 seconds, and a margin for what is not known. */
const spacing = Duration.seconds(6)

/** Starts in a row that cost no wait: people start a bot again and again while they write it. */
const freeStarts = 10
const firstWait = Duration.seconds(10)
const longestWait = { least: Duration.minutes(5), most: Duration.minutes(30) }
/** After this time without an IDENTIFY the next start begins a new row. */
const rowEndsAfter = Duration.hours(1)

/** IDENTIFYs that Discord's count may not have yet. */
const uncounted = Duration.seconds(15)

/** A wait before an IDENTIFY that is due to processes before this one. */
export interface HistoricWait {
  readonly time: Duration.Duration
  /** Number of starts in a row that have caused it; undefined where the bucket is taken. */
  readonly starts: number | undefined
}

/** The history of the shards of one process. */
export interface IdentifyHistory {
  /** The wait before a shard may identify; none in nearly all cases. */
  readonly wait: (shard: ShardId) => Effect.Effect<Option.Option<HistoricWait>>
  /** A shard identifies now. */
  readonly count: (shard: ShardId) => Effect.Effect<void>
  /** The process ends in peace: its starts do not count for the next one. */
  readonly endInPeace: Effect.Effect<void>
}

/** The parts that a history works with. */
export interface HistoryParts {
  readonly shards: ReadonlyArray<ShardId>
  readonly store: IdentifyTimes | undefined
  readonly directory: GatewayDirectory["Service"]
  /** Timeout of one call of the store. */
  readonly timeout: Duration.Duration
  /** Runs an effect beside the shards. */
  readonly fork: (effect: Effect.Effect<void>) => unknown
}

const nothing: IdentifyHistory = {
  wait: () => Effect.succeedNone,
  count: () => Effect.void,
  endInPeace: Effect.void
}

/** The history that a store has of these shards. It is read when a shard first asks for it. */
export const make = ({ directory, fork, shards, store, timeout }: HistoryParts): Effect.Effect<IdentifyHistory> =>
  Effect.gen(function* () {
    if (store === undefined) return nothing
    const before = new Map<string, IdentifyRecord>()
    const own = new Map<string, { readonly shard: ShardId; readonly record: IdentifyRecord }>()
    let hasFailed = false

    /** One call of the store, which ends in any case. The first failure is told. */
    const attempt = <A>(call: Effect.Effect<A, { readonly message: string }>): Effect.Effect<Option.Option<A>> =>
      call.pipe(
        Effect.timeout(timeout),
        Effect.tapError(({ message }) => {
          if (hasFailed) return Effect.void
          hasFailed = true
          return Effect.logWarning(`The times of IDENTIFYs cannot be kept over a restart: ${message}`)
        }),
        Effect.option
      )

    const load = Effect.gen(function* () {
      const records = yield* attempt(store.load(shards))
      const now = yield* Clock.currentTimeMillis
      for (const [index, record] of Option.getOrElse(records, () => []).entries()) {
        const shard = shards[index]
        if (shard === undefined || Option.isNone(record)) continue
        before.set(shard.toString(), record.value)
        for (const at of record.value.times) {
          if (now - at < Duration.toMillis(uncounted)) yield* directory.countIdentify
        }
      }
    })
    const loaded = yield* Effect.cached(load)

    const startsBefore = (shard: ShardId, now: number): number => {
      const { starts, times } = before.get(shard.toString()) ?? none
      return now - (times.at(-1) ?? -Infinity) > Duration.toMillis(rowEndsAfter) ? 0 : starts
    }

    const wait = Effect.fnUntraced(function* (shard: ShardId) {
      yield* loaded
      // IDENTIFYs of this process are for the limiter and the backoff.
      if (before.size === 0 || own.has(shard.toString())) return Option.none<HistoricWait>()
      const now = yield* Clock.currentTimeMillis
      const answer = yield* Effect.orElseSucceed(directory.recent(Duration.days(1)), () => Option.none())
      const buckets = Option.match(answer, {
        onNone: () => 1,
        onSome: ({ info }) => info.session_start_limit.max_concurrency
      })
      const starts = startsBefore(shard, now)
      const last = before.get(shard.toString())?.times.at(-1) ?? -Infinity
      const total = Option.match(directory.budget(), { onNone: () => usualTotal, onSome: ({ total }) => total })
      const slowed = rest(waitAfter(starts, shard.total, total), last, now)
      if (Duration.isPositive(slowed)) return Option.some<HistoricWait>({ time: slowed, starts })
      const ofBucket = shards.flatMap((other) =>
        other.bucket(buckets) === shard.bucket(buckets) ? (before.get(other.toString())?.times ?? []) : []
      )
      const paced = rest(spacing, Math.max(-Infinity, ...ofBucket), now)
      return Duration.isPositive(paced) ? Option.some<HistoricWait>({ time: paced, starts: undefined }) : Option.none()
    })

    const count = (shard: ShardId) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const key = shard.toString()
        const known = own.get(key)?.record
        const { times } = known ?? before.get(key) ?? none
        const starts = known?.starts ?? startsBefore(shard, now) + 1
        const record = { times: [...times.slice(1 - keptTimes), now], starts }
        own.set(key, { shard, record })
        // The IDENTIFY does not wait for the store: between its turn and the wire no time is to pass.
        fork(Effect.asVoid(attempt(store.save(shard, record))))
      })

    const endInPeace = Effect.suspend(() =>
      Effect.forEach(
        own.values(),
        ({ record, shard }) => attempt(store.save(shard, { times: record.times, starts: 0 })),
        { concurrency: "unbounded", discard: true }
      )
    )

    return { wait, count, endInPeace }
  })

/** Rest of a time since `at`: the whole of it at most, should the clock have been set back. */
const rest = (time: Duration.Duration, at: number, now: number) =>
  Duration.clamp(Duration.millis(at + Duration.toMillis(time) - now), { minimum: Duration.zero, maximum: time })

const none: IdentifyRecord = { times: [], starts: 0 }
const keptTimes = 4

/** IDENTIFYs that Discord allows a small bot in a day. */
const usualTotal = 1000

/**
 * The wait since the last IDENTIFY after so many starts in a row. Its end is that which lets a loop of all shards spend no more
 * than half of the day's IDENTIFYs, within bounds.
 */
const waitAfter = (starts: number, shards: number, total: number): Duration.Duration => {
  if (starts < freeStarts) return Duration.zero
  const fair = Duration.times(Duration.days(1), (2 * shards) / Math.max(1, total))
  const longest = Duration.clamp(fair, { minimum: longestWait.least, maximum: longestWait.most })
  return Duration.min(Duration.times(firstWait, 2 ** Math.min(starts - freeStarts, 20)), longest)
}
