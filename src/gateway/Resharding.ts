/**
 * Seamless resharding: two generations of shards that see the same events, heard as one.
 *
 * Discord numbers events by session, so the same event has nothing in common in both generations but its content. For a
 * while around the switch each event is counted by its content in both, and handed on when one generation has seen it more
 * often than it was handed on. An event that one generation saw and the other never will is handed on, too: nothing is lost.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Result from "effect/Result"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { shardOfGuild } from "../schema/ShardId.ts"
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
  const duplicates = new DuplicateFilter(old)
  next.appendTo(duplicates.filter("new", buffer))
  old.appendTo(duplicates.filter("old", buffer))
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

/** Filter of events that both generations bring: counts them by their content. */
class DuplicateFilter {
  private readonly counts = new Map<string, { old: number; new: number; handedOn: number }>()
  private switched = false
  private readonly old: ShardGeneration.ShardGeneration

  constructor(old: ShardGeneration.ShardGeneration) {
    this.old = old
  }

  /** The buffer for one generation: before the switch only what the old one has seen passes. */
  filter(side: Side, buffer: ShardBuffer): ShardBuffer {
    return filtered(buffer, (payloads) => payloads.filter((payload) => this.isFresh(side, payload)))
  }

  /** Lets events that only the new generation has seen pass. */
  switchOver(): void {
    this.switched = true
  }

  private isFresh(side: Side, payload: Payload): boolean {
    // READY, RESUMED and control payloads are of the session, not of the bot.
    if (payload.op !== GatewayOpcode.Dispatch || payload.t === "READY" || payload.t === "RESUMED") {
      return side === "old" ? !this.switched : this.switched || this.anyRefused()
    }
    const key = keyOf(payload)
    const count = this.counts.get(key) ?? { old: 0, new: 0, handedOn: 0 }
    this.counts.set(key, count)
    count[side]++
    if (side === "new" && !this.switched && !this.isRefused(payload)) return false
    if (count[side] <= count.handedOn) return false
    count.handedOn++
    return true
  }

  /** Whether Discord refuses the old shard of a payload: then nobody else brings it. */
  private isRefused(payload: Payload): boolean {
    const { shards, total } = this.old
    const guild = guildOf(payload)
    const shard = guild !== undefined && /^\d+$/.test(guild) ? shardOfGuild(guild, total) : 0
    return shards.get(shard)?.refusal !== undefined
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

const keyOf = ({ d, t }: Payload): string => {
  // Events that are nested too deeply to be written count as the same, if they have the same name.
  const content = Result.getOrElse(
    Result.try(() => JSON.stringify(d)),
    () => ""
  )
  return `${t}:${content.length}:${Hash.string(content)}`
}
