/**
 * What the dashboard is told, as server-sent events. The script of the page reads them.
 *
 * An `update` comes every second and says everything about the shards, so that one that is missed is not missed later; a
 * thousand shards take some 20 KB. Times are milliseconds since the epoch, as the script takes them.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as Sse from "effect/encoding/Sse"
import * as Option from "effect/Option"
import type { ConnectionChange, GatewaySnapshot, GatewayMoment } from "../schema/GatewaySnapshot.ts"
import { shardStates } from "../schema/ShardStatus.ts"
import { version } from "../version.ts"

const event = (name: string, data: unknown): Sse.Event => ({
  _tag: "Event",
  event: name,
  id: undefined,
  data: JSON.stringify(data)
})

const rounded = (value: number): number => Math.round(value * 10) / 10

const millis = (latency: Option.Option<Duration.Duration>): number | null =>
  Option.getOrNull(Option.map(latency, (time) => rounded(Duration.toMillis(time))))

const moment = ({ at, latency, rate, ready }: GatewayMoment) => [
  DateTime.toEpochMillis(at),
  rounded(rate),
  millis(latency),
  ready
]

/** The beginning: how it has been going for the last minutes. */
export const history = ({ history, since }: GatewaySnapshot): Sse.Event =>
  event("history", { version, since: DateTime.toEpochMillis(since), moments: history.map(moment) })

/** How it is going now. */
export const update = (snapshot: GatewaySnapshot): Sse.Event =>
  event("update", {
    moment: moment(snapshot),
    states: shardStates,
    shards: snapshot.shards.map(({ id, lastReason, latency, rate, reconnects, since, state, waitingToSend }) => [
      id,
      shardStates.indexOf(state),
      Math.max(0, Math.round(Duration.toSeconds(DateTime.distance(since, snapshot.at)))),
      millis(latency),
      rounded(rate),
      reconnects,
      waitingToSend,
      // Only of interest while it lasts, and the longest part.
      state === "ready" ? null : Option.getOrNull(lastReason)
    ]),
    budget: Option.getOrNull(
      Option.map(snapshot.budget, (budget) => ({ ...budget, resetAt: DateTime.toEpochMillis(budget.resetAt) }))
    ),
    queue: { waiting: snapshot.queue.waiting, seconds: Duration.toSeconds(snapshot.queue.time) }
  })

/** What happened to the connections since the last time. */
export const changes = (changes: ReadonlyArray<ConnectionChange>): Sse.Event =>
  event(
    "changes",
    changes.map(({ at, level, number, shard, text }) => ({
      at: DateTime.toEpochMillis(at),
      level,
      number,
      shard,
      text
    }))
  )
