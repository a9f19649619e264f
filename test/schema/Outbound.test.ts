import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ClusterShardStatus, movingStatus } from "../../src/cluster/DiscordShard.ts"
import { ConnectionClosed, HeartbeatTimeout } from "../../src/schema/ConnectionError.ts"
import { DisallowedIntents, IdentifyBudgetExhausted } from "../../src/schema/FatalError.ts"
import { GatewaySnapshot } from "../../src/schema/GatewaySnapshot.ts"
import { describeShardEvent, levelOfShardEvent, ShardEvent } from "../../src/schema/ShardEvent.ts"
import { SessionHolder } from "../../src/schema/SessionHolder.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { ShardStatus } from "../../src/schema/ShardStatus.ts"

const at = DateTime.makeUnsafe("2026-08-01T12:30:15.250Z")
const common = { shard: 3, at }
const closed = new ConnectionClosed({ code: 4000, closeReason: "unknown error" })

/** Each kind of event at least once. */
const events: ReadonlyArray<ShardEvent> = [
  ShardEvent.Connecting({ ...common, host: "gateway.discord.gg", resuming: true }),
  ShardEvent.Greeted({ ...common, heartbeatInterval: Duration.millis(41_250) }),
  ShardEvent.IdentifyQueued({ ...common, wait: Duration.seconds(5) }),
  ShardEvent.CrashLoopSlowed({ ...common, starts: 11, wait: Duration.seconds(10) }),
  ShardEvent.IdentifyBudgetExhausted({
    ...common,
    total: 1000,
    remaining: 10,
    resetAt: DateTime.add(at, { hours: 24 })
  }),
  ShardEvent.Identifying(common),
  ShardEvent.Resuming({ ...common, sessionId: "abc", sequence: 42 }),
  ShardEvent.Ready({ ...common, sessionId: "abc" }),
  ShardEvent.Resumed({ ...common, sessionId: "abc", replayed: 7 }),
  ShardEvent.Disconnected({ ...common, reason: closed }),
  ShardEvent.Disconnected({ ...common, reason: new HeartbeatTimeout({ interval: Duration.millis(41_250) }) }),
  ShardEvent.SessionDropped({ ...common, sessionId: "abc", why: "RESUME failed too often" }),
  ShardEvent.Waiting({ ...common, delay: Duration.millis(1234.5) }),
  ShardEvent.GapDetected({ ...common, from: 43, to: 45 }),
  ShardEvent.MalformedSkipped({ ...common, description: "not JSON" }),
  ShardEvent.UnknownOpcode({ ...common, op: 99 }),
  ShardEvent.DuplicateDropped({ ...common, sequence: 42 }),
  ShardEvent.ResumeUrlRefused({ ...common, host: "discord.example" }),
  ShardEvent.ConsumerBehind({ ...common, buffered: 4096, subscribers: 1 }),
  ShardEvent.ConsumerCaughtUp({ ...common, after: Duration.seconds(3) }),
  ShardEvent.AcknowledgementOverdue({
    ...common,
    sequence: 42,
    event: "MESSAGE_CREATE",
    after: Duration.minutes(1)
  }),
  ShardEvent.DeliveriesAbandoned({ ...common, payloads: 3 }),
  ShardEvent.StoreFailed({ ...common, what: "read", description: "MASTERDOWN" }),
  ShardEvent.StoreRecovered(common),
  ShardEvent.OwnerAwaited({ ...common, by: new SessionHolder({ host: "a-host", pid: 41, since: at }) }),
  ShardEvent.OwnerAwaited({ ...common, by: undefined }),
  ShardEvent.Owned({ ...common, waited: Duration.seconds(12) }),
  ShardEvent.Growing({ ...common, from: 4, to: 8, recommended: 8, guilds: 1900, why: "recommended" }),
  ShardEvent.GrowthDeferred({
    ...common,
    from: 4,
    to: 8,
    why: "budget",
    wait: Duration.hours(3),
    description: "it takes 16 IDENTIFYs, and 9 are left"
  }),
  ShardEvent.Resharded({ ...common, from: 4, to: 8 }),
  ShardEvent.Stopped({ ...common, reason: new DisallowedIntents({ intents: 32_768 }) }),
  ShardEvent.Stopped({
    ...common,
    reason: new IdentifyBudgetExhausted({ total: 1000, remaining: 10, resetAt: DateTime.add(at, { hours: 24 }) })
  }),
  ShardEvent.Stopped({ ...common, reason: undefined }),
  ShardEvent.Stopped(common)
]

const status: ShardStatus = {
  shard: new ShardId({ id: 3, total: 16 }),
  state: "ready",
  since: at,
  sessionId: Option.some("abc"),
  sequence: Option.some(42),
  latency: Option.some(Duration.nanos(20_123_456n)),
  waitingToSend: 2,
  reconnects: 1,
  lastReason: Option.some(closed)
}

const unknownStatus: ShardStatus = {
  ...status,
  state: "connecting",
  sessionId: Option.none(),
  sequence: Option.none(),
  latency: Option.none(),
  lastReason: Option.none()
}

const moment = { at, rate: 12.5, latency: Option.some(Duration.millis(20)), ready: 1 }

const snapshot: GatewaySnapshot = {
  ...moment,
  since: DateTime.subtract(at, { minutes: 5 }),
  shards: [
    {
      id: 3,
      state: "waiting",
      since: at,
      latency: Option.none(),
      rate: 0,
      reconnects: 1,
      waitingToSend: 2,
      lastReason: Option.some("Closed with 4000 (unknown error)")
    }
  ],
  history: [{ ...moment, latency: Option.none() }, moment],
  changes: [{ number: 1, at, shard: 3, level: "Warn", text: "Disconnected" }],
  budget: Option.some({ total: 1000, remaining: 984, resetAt: DateTime.add(at, { hours: 24 }) }),
  queue: { waiting: 4, time: Duration.seconds(20) },
  relay: Option.none()
}

/** By way of JSON text, and back. */
const travel = <T, E>(schema: Schema.Codec<T, E>, value: T): T => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
  return Schema.decodeSync(codec)(Schema.encodeSync(codec)(value))
}

describe("what leaves the process", () => {
  for (const event of events) {
    it(`an event ${event._tag} comes back from JSON as it was: ${describeShardEvent(event)}`, () => {
      const arrived = travel(ShardEvent, event)
      assert.isTrue(Equal.equals(arrived, event), JSON.stringify(arrived))
      assert.strictEqual(describeShardEvent(arrived), describeShardEvent(event))
      assert.strictEqual(levelOfShardEvent(arrived), levelOfShardEvent(event))
    })
  }

  it("every kind of event is among them", () => {
    const kinds = new Set(events.map(({ _tag }) => _tag))
    assert.sameMembers([...kinds], Object.keys(ShardEvent.cases))
  })

  it("a status comes back from JSON as it was", () => {
    for (const one of [status, unknownStatus]) assert.isTrue(Equal.equals(travel(ShardStatus, one), one))
  })

  it("the status of a shard in a cluster comes back from JSON as it was", () => {
    const { shard } = status
    const here = new ClusterShardStatus({ ...status, since: Option.some(at), machine: Option.some("10.0.0.1:34431") })
    const moving = new ClusterShardStatus({ shard, ...movingStatus })
    for (const one of [here, moving]) assert.isTrue(Equal.equals(travel(ClusterShardStatus, one), one))
  })

  it("a snapshot comes back from JSON as it was", () => {
    for (const one of [snapshot, { ...snapshot, latency: Option.none(), budget: Option.none() }]) {
      assert.isTrue(Equal.equals(travel(GatewaySnapshot, one), one))
    }
  })

  it("is JSON already when it is encoded, with times that people can read", () => {
    assert.deepStrictEqual(Schema.encodeSync(ShardStatus)(status), {
      shard: { id: 3, total: 16 },
      state: "ready",
      since: "2026-08-01T12:30:15.250Z",
      sessionId: "abc",
      sequence: 42,
      latency: 20.123456,
      waitingToSend: 2,
      reconnects: 1,
      lastReason: { _tag: "ConnectionClosed", code: 4000, closeReason: "unknown error" }
    })
  })
})

describe("the constructors of events", () => {
  it("take whatever a peer said, and throw for none of it", () => {
    assert.strictEqual(ShardEvent.UnknownOpcode({ ...common, op: 1e300 }).op, 1e300)
    assert.strictEqual(ShardEvent.MalformedSkipped({ ...common, description: "\ud800" }).description, "\ud800")
  })
})
