/**
 * Seamless resharding: two generations of shards that see the same events, heard as one.
 *
 * Discord numbers events by session, so the same event has nothing in common in both generations but its content. For a
 * while around the switch each event is counted by its content in both, and handed on when one generation has seen it more
 * often than it was handed on. An event that one generation saw and the other never will is handed on, too: nothing is lost.
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { shardOfGuild } from "../schema/ShardId.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import type { MarkSegment } from "../shard/LowWaterMark.ts"
import type { ShardServices } from "../shard/Shard.ts"
import type { ShardBuffer } from "../shard/ShardHost.ts"
import { guildOf } from "./PayloadGuild.ts"
import * as ShardGeneration from "./ShardGeneration.ts"

/** Time for which both generations are heard on either side of the switch: longer than an event is late on one of them. */
const overlapTime = Duration.seconds(5)

/**
 * Replaces a generation by another: brings the next one up beside the old, switches when all of it is ready, ends the old
 * one. A failure before the switch leaves the old one as it was.
 */
export const run = Effect.fnUntraced(function* (options: {
  readonly old: ShardGeneration.ShardGeneration
  readonly next: ShardGeneration.ShardGeneration
  readonly buffer: ShardBuffer
  /** The context in which the metrics of shards are registered. */
  readonly metrics: Context.Context<never>
  /** Makes the next generation the bot's. */
  readonly onSwitch: Effect.Effect<void>
}): Effect.fn.Return<void, GatewayError, ShardServices> {
  const { buffer, next, old, onSwitch } = options
  const duplicates = new DuplicateFilter(old, buffer, yield* Clock.Clock)
  next.appendTo(duplicates.filter("new"))
  old.appendTo(duplicates.filter("old"))
  yield* Effect.gen(function* () {
    yield* ShardGeneration.launch(next, options.metrics)
    const ready = Effect.forEach(next.shards.values(), (shard) => shard.whenReady, {
      concurrency: "unbounded",
      discard: true
    })
    yield* Effect.raceFirst(ready, Deferred.await(next.failed))
    // Events under way at the switch arrive within this time, on both generations.
    yield* Effect.sleep(overlapTime)
  }).pipe(Effect.onError(() => replaceBy(old, next, buffer)))

  duplicates.switchOver()
  yield* onSwitch
  yield* Effect.sleep(overlapTime).pipe(
    Effect.andThen(sendsDone(old)),
    Effect.andThen(replaceBy(next, old, buffer)),
    Effect.andThen(Effect.forEach(old.shards.values(), (shard) => shard.forget, { discard: true })),
    Effect.uninterruptible
  )
})

/** One generation goes on alone, the other ends. */
const replaceBy = (
  winner: ShardGeneration.ShardGeneration,
  loser: ShardGeneration.ShardGeneration,
  buffer: ShardBuffer
) =>
  Effect.andThen(
    Effect.sync(() => {
      winner.appendTo(buffer)
      loser.appendTo(filtered(buffer, () => []))
    }),
    ShardGeneration.end(loser)
  )

/** Grace of a minute for sends that wait on shards which are to end. */
const sendsDone = ({ shards }: ShardGeneration.ShardGeneration) =>
  Effect.sleep("100 millis").pipe(
    Effect.repeat({ while: () => [...shards.values()].some((shard) => shard.status.waitingToSend > 0) }),
    Effect.timeoutOption("1 minute")
  )

type Side = "old" | "new"

/** Event that only the new generation has seen so far. */
interface Held {
  readonly payload: Payload
  /** Characters of its content. */
  readonly size: number
  readonly count: Count
  /** Number of the old shard that is to bring it. */
  readonly by: number
  /** Milliseconds of monotonic time. */
  readonly since: number
}

/** Count of times that an event was seen and handed on. */
interface Count {
  old: number
  new: number
  handedOn: number
  /** Those that wait for the old generation. */
  readonly held: Array<Held>
}

/**
 * Milliseconds after which an event that an established shard has not brought is taken for one that it brings with another
 * content. Those of a shard without a connection wait until it is known whether its session goes on.
 */
const holdingTime = 60_000

/** The mark of what is handed on in place of a shard that has lost it: no session waits for it. */
const detached: MarkSegment = {
  progress: () => undefined,
  complete: () => undefined,
  isAtStart: () => false,
  caution: undefined,
  source: {},
  session: undefined,
  isVoid: false
}

/**
 * Filter of events that both generations bring: counts them by their content. What only the new one has seen waits until the old
 * one brings it. If an old shard loses its session meanwhile it brings nothing more of what was before: then what waits for it
 * is handed on, and so is what comes until it has another session.
 */
class DuplicateFilter {
  private readonly counts = new Map<string, Count>()
  /** In the order of their arrival. */
  private readonly held = new Set<Held>()
  private switched = false
  private readonly old: ShardGeneration.ShardGeneration
  private readonly buffer: ShardBuffer
  private readonly clock: Clock.Clock

  constructor(old: ShardGeneration.ShardGeneration, buffer: ShardBuffer, clock: Clock.Clock) {
    this.old = old
    this.buffer = buffer
    this.clock = clock
  }

  /** The buffer for one generation: before the switch only what the old one has seen or cannot see passes. */
  filter(side: Side): ShardBuffer {
    return filtered(this.buffer, (payloads) => payloads.filter((payload) => this.isFresh(side, payload)))
  }

  /** Lets events that only the new generation has seen pass. Old shards without a connection may not be back in time. */
  switchOver(): void {
    this.switched = true
    for (const [id, { status }] of this.old.shards) if (status.state !== "ready") this.handOnHeld(id)
  }

  private isFresh(side: Side, payload: Payload): boolean {
    // READY, RESUMED and control payloads are of the session, not of the bot.
    if (payload.op !== GatewayOpcode.Dispatch || payload.t === "READY" || payload.t === "RESUMED") {
      // A new session: what was between the two it does not bring.
      if (side === "old" && payload.t === "READY") this.handOnHeld(payload.shard)
      return side === "old" ? !this.switched : this.switched || this.anyRefused()
    }
    const { key, size } = contentOf(payload)
    const count = this.counts.get(key) ?? { old: 0, new: 0, handedOn: 0, held: [] }
    this.counts.set(key, count)
    count[side]++
    if (side === "old") {
      const waiting = count.held.shift()
      if (waiting !== undefined) this.held.delete(waiting)
    }
    if (count[side] <= count.handedOn) return false
    if (side === "new" && !this.switched) {
      const by = this.oldShardOf(payload)
      if (!this.hasLost(by)) {
        this.hold({ payload, size, count, by, since: MonotonicTime.of(this.clock) })
        return false
      }
      this.handOnHeld(by)
    }
    count.handedOn++
    return true
  }

  private hold(event: Held): void {
    // The guilds that a new session begins with are known; one that is joined while the old shard is away is not.
    if (event.payload.t === "GUILD_CREATE" && this.isEstablished(event.by)) return
    for (const oldest of this.held) {
      if (event.since - oldest.since < holdingTime || !this.isEstablished(oldest.by)) break
      this.release(oldest)
    }
    this.held.add(event)
    event.count.held.push(event)
  }

  private release(event: Held): void {
    this.held.delete(event)
    event.count.held.splice(event.count.held.indexOf(event), 1)
  }

  /** Hands on what waits for an old shard. */
  private handOnHeld(by: number): void {
    for (const event of this.held) {
      if (event.by !== by) continue
      this.release(event)
      event.count.handedOn++
      this.buffer.append([event.payload], event.size, detached, 0)
    }
  }

  /** The old shard of a payload. */
  private oldShardOf(payload: Payload): number {
    const guild = guildOf(payload)
    return guild !== undefined && /^\d+$/.test(guild) ? shardOfGuild(guild, this.old.total) : 0
  }

  private isEstablished(shard: number): boolean {
    return this.old.shards.get(shard)?.status.state === "ready"
  }

  /** Whether an old shard has lost its session, or is refused by Discord: then nobody else brings its events. */
  private hasLost(id: number): boolean {
    const shard = this.old.shards.get(id)
    return shard !== undefined && (shard.refusal !== undefined || Option.isNone(shard.currentSession))
  }

  private anyRefused(): boolean {
    return [...this.old.shards.values()].some(({ refusal }) => refusal !== undefined)
  }
}

const filtered = (
  buffer: ShardBuffer,
  filter: (payloads: ReadonlyArray<Payload>) => ReadonlyArray<Payload>
): ShardBuffer => ({
  isFull: buffer.isFull,
  isBehind: buffer.isBehind,
  giveWay: buffer.giveWay,
  room: buffer.room,
  size: buffer.size,
  append: (payloads, size, mark, handedOutBefore) => {
    const fresh = filter(payloads)
    buffer.append(fresh, fresh.length === 0 ? 0 : size, mark, handedOutBefore)
  }
})

/** The content of an event: a key that it has in common with its like, and its length. */
const contentOf = ({ d, t }: Payload): { readonly key: string; readonly size: number } => {
  // Events that are nested too deeply to be written count as the same, if they have the same name.
  const content = Result.getOrElse(
    Result.try(() => JSON.stringify(d)),
    () => ""
  )
  return { key: `${t}:${content.length}:${Hash.string(content)}`, size: content.length }
}
