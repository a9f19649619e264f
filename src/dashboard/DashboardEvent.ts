/**
 * Server-sent events of the dashboard, which the page's script reads.
 *
 * An `update` is sent every second with the full state of all shards, so a lost one does no harm; for a thousand shards
 * it is some 20 KB. Times are milliseconds since the epoch.
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

/** First event of a connection: the plots of the last minutes. */
export const history = ({ history, since }: GatewaySnapshot): Sse.Event =>
  event("history", { version, since: DateTime.toEpochMillis(since), moments: history.map(moment) })

/** Full state of the shards, the budget, the identify queue and the relay. */
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
      // The longest field: left out for ready shards.
      state === "ready" ? null : Option.getOrNull(lastReason)
    ]),
    budget: Option.getOrNull(
      Option.map(snapshot.budget, (budget) => ({ ...budget, resetAt: DateTime.toEpochMillis(budget.resetAt) }))
    ),
    queue: { waiting: snapshot.queue.waiting, seconds: Duration.toSeconds(snapshot.queue.time) },
    relay: Option.getOrNull(
      Option.map(snapshot.relay, ({ broker, held, name, published }) => ({
        name,
        published,
        held: Option.getOrNull(held),
        broker: Option.getOrNull(
          Option.map(broker, ({ age, ...counts }) => ({ ...counts, seconds: Duration.toSeconds(age) }))
        )
      }))
    )
  })

/** Changes of the connections since the last event. */
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
