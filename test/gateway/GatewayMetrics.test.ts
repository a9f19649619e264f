import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Order from "effect/Order"
import { readFileSync } from "node:fs"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as GatewayMetrics from "../../src/schema/GatewayMetrics.ts"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Act from "../../src/simulator/Act.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** The series as Prometheus reads them: `name{labels}` to value. */
const scrape = Effect.map(PrometheusMetrics.format(), (text) => {
  const series = new Map<string, number>()
  for (const line of text.split("\n")) {
    const match = /^(discord_gateway_\S+) (\S+)$/.exec(line)
    if (match?.[1] !== undefined) series.set(match[1], Number(match[2]))
  }
  return series
})

const families = (series: ReadonlyMap<string, number>) =>
  new Set([...series.keys()].map((key) => key.replace(/\{.*/, "").replace(/_(bucket|sum|count)$/, "")))

const bot = (arrangement: SimulatedBot.Arrangement = {}) =>
  Layer.provideMerge(SimulatedBot.layer(arrangement), Layer.succeed(Metric.MetricRegistry, new Map()))

describe("the metrics", () => {
  it.effect("count dispatches and their bytes by event, and those dropped before parsing", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* simulator.dispatch("TYPING_START", {})
      yield* TestClock.adjust("1 second")
      const series = yield* scrape
      const bytes = '{"t":"MESSAGE_CREATE","s":2,"op":0,"d":{"content":"hello"}}'.length
      assert.strictEqual(series.get('discord_gateway_dispatches_total{event="READY"}'), 1)
      assert.strictEqual(series.get('discord_gateway_dispatches_total{event="MESSAGE_CREATE"}'), 2)
      assert.strictEqual(series.get('discord_gateway_dispatch_bytes_total{event="MESSAGE_CREATE"}'), 2 * bytes)
      assert.strictEqual(series.get('discord_gateway_dropped_dispatches_total{event="TYPING_START"}'), 1)
      assert.isFalse(series.has('discord_gateway_dispatches_total{event="TYPING_START"}'))
    }).pipe(Effect.provide(bot({ config: { events: ["MESSAGE_CREATE"] } })))
  )

  it.effect("and an event name what nobody acknowledges, and since when", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = yield* Gateway
      const { events } = yield* SimulatedBot.watch
      let acknowledgeIt: Effect.Effect<void> = Effect.void
      yield* Effect.forkScoped(
        Stream.runForEach(gateway.deliveries, ({ ack, payload }) => {
          if (payload.t !== "TYPING_START") return ack
          acknowledgeIt = ack
          return Effect.void
        })
      )
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatch("TYPING_START", {})
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("2 minutes")
      const overdue = events.filter(({ _tag }) => _tag === "AcknowledgementOverdue")
      assert.lengthOf(overdue, 1)
      assert.deepInclude(overdue[0], { shard: 0, sequence: 2, event: "TYPING_START" })
      assert.closeTo(Number((yield* scrape).get("discord_gateway_oldest_unacknowledged_seconds")), 120, 1)
      yield* acknowledgeIt
      assert.strictEqual((yield* scrape).get("discord_gateway_oldest_unacknowledged_seconds"), 0)
    }).pipe(Effect.provide(bot()))
  )

  it.effect("tell how the shards are doing, and what became of their connections", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      const before = yield* scrape
      assert.strictEqual(before.get('discord_gateway_shards{state="ready"}'), 1)
      assert.strictEqual(before.get('discord_gateway_shard_ready{shard="0"}'), 1)
      assert.strictEqual(before.get('discord_gateway_identifies_total{shard="0"}'), 1)
      assert.strictEqual(before.get("discord_gateway_identify_budget_total"), 1000)
      assert.strictEqual(before.get("discord_gateway_identify_budget_remaining"), 999)
      assert.strictEqual(before.get("discord_gateway_heartbeat_latency_seconds_count"), 2)
      assert.isAtLeast(before.get("discord_gateway_event_loop_lag_seconds_count") ?? 0, 12)

      yield* simulator.faults.inject(Fault.dial("refuse", { times: 2 }))
      yield* simulator.drop()
      for (let n = 0; n < 3; n++) yield* simulator.dispatch("MESSAGE_CREATE", {})
      const meanwhile = yield* TestClock.adjust("1500 millis").pipe(Effect.andThen(scrape))
      assert.strictEqual(meanwhile.get('discord_gateway_shard_ready{shard="0"}'), 0)
      assert.strictEqual(meanwhile.get('discord_gateway_shards{state="waiting"}'), 1)
      yield* TestClock.adjust("1 minute")
      const after = yield* scrape
      assert.strictEqual(after.get('discord_gateway_reconnects_total{shard="0",reason="ConnectionClosed"}'), 1)
      assert.strictEqual(after.get('discord_gateway_reconnects_total{shard="0",reason="OpenFailed"}'), 2)
      assert.strictEqual(after.get('discord_gateway_resumes_total{shard="0"}'), 1)
      assert.strictEqual(after.get('discord_gateway_replayed_dispatches_total{shard="0"}'), 3)
      assert.strictEqual(after.get('discord_gateway_identifies_total{shard="0"}'), 1)
    }).pipe(Effect.provide(bot()))
  )

  it.effect("time what is sent, and count what is not, by why", () =>
    Effect.gen(function* () {
      const { gateway } = yield* SimulatedBot.ready
      yield* gateway.send(
        SendEvent.updatePresence({ status: PresenceUpdateStatus.Idle, activities: [], since: null, afk: false })
      )
      yield* Effect.flip(
        gateway.send(SendEvent.requestGuildMembers({ guild_id: "1", query: "", limit: 0 }), { shard: 7 })
      )
      const series = yield* scrape
      assert.strictEqual(series.get('discord_gateway_sends_total{op="PresenceUpdate"}'), 1)
      assert.strictEqual(series.get("discord_gateway_send_wait_seconds_count"), 1)
      assert.strictEqual(
        series.get('discord_gateway_send_failures_total{op="RequestGuildMembers",reason="UnknownShard"}'),
        1
      )
    }).pipe(Effect.provide(bot()))
  )

  it("are exported, each by the name and of the kind that docs/metrics.md says", () => {
    const table = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8")
    const documented = [...table.matchAll(/^\| `(discord_gateway_\w+)` +\| `(\w+)` +\| (\w+)/gm)].map(
      ([, id, name, kind]) => ({ id, name, kind })
    )
    const exported = Object.entries(GatewayMetrics).map(([name, metric]) => ({
      id: metric.id,
      name,
      kind: metric.type.toLowerCase()
    }))
    assert.isAbove(exported.length, 25)
    const byId = Order.mapInput(Order.String, ({ id = "" }: { readonly id: string | undefined }) => id)
    assert.deepStrictEqual(Arr.sort(documented, byId), Arr.sort(exported, byId))
  })

  it.effect("count from 0, so that a rate sees their first increase", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const unread = yield* scrape
      assert.isFalse(unread.has('discord_gateway_resumes_total{shard="0"}'), "costs nothing while nobody reads")
      const before = yield* scrape
      const counters = Object.values(GatewayMetrics).filter(({ type }) => type === "Counter")
      // Of what is dropped, of bytes and of failures the names are known only when there are some.
      const late = new Set(["dropped_dispatches", "dropped_dispatch_bytes", "dispatch_bytes", "send_failures"])
      const absent = counters.filter(({ id }) => !families(before).has(id)).map(({ id }) => id)
      assert.deepStrictEqual(
        absent.filter((id) => !late.has(id.replace(/^discord_gateway_(.*)_total$/, "$1"))),
        []
      )
      const first = [
        'discord_gateway_reconnects_total{shard="0",reason="ConnectionClosed"}',
        'discord_gateway_resumes_total{shard="0"}',
        'discord_gateway_replayed_dispatches_total{shard="0"}',
        'discord_gateway_dispatches_total{event="MESSAGE_CREATE"}'
      ]
      assert.deepStrictEqual(
        first.map((name) => before.get(name)),
        [0, 0, 0, 0]
      )
      yield* simulator.drop()
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("10 seconds")
      const after = yield* scrape
      assert.deepStrictEqual(
        first.map((name) => after.get(name)),
        [1, 1, 1, 1]
      )
    }).pipe(Effect.provide(bot()))
  )

  it.effect("have no series but those that are exported", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* simulator.dispatch("TYPING_START", {})
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* gateway.send(
        SendEvent.updatePresence({ status: PresenceUpdateStatus.Idle, activities: [], since: null, afk: false })
      )
      yield* Effect.flip(
        gateway.send(SendEvent.requestGuildMembers({ guild_id: "1", query: "", limit: 0 }), { shard: 7 })
      )
      yield* simulator.faults.inject(Fault.resume(Act.invalidSession(false), { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("2 minutes")
      const measured = families(yield* scrape)
      const exported = new Set(Object.values(GatewayMetrics).map(({ id }) => id))
      assert.isAbove(measured.size, 15)
      assert.deepStrictEqual(
        [...measured].filter((name) => !exported.has(name)),
        []
      )
    }).pipe(Effect.provide(bot({ config: { events: ["MESSAGE_CREATE"] } })))
  )

  it.effect("are read by the program, too", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* gateway.send(
        SendEvent.updatePresence({ status: PresenceUpdateStatus.Idle, activities: [], since: null, afk: false })
      )
      yield* TestClock.adjust("1 minute")
      const ready = yield* Metric.value(Metric.withAttributes(GatewayMetrics.shards, { state: "ready" }))
      assert.strictEqual(ready.value, 1)
      const messages = yield* Metric.value(
        Metric.withAttributes(GatewayMetrics.dispatches, { event: "MESSAGE_CREATE" })
      )
      assert.strictEqual(messages.count, 1)
      const identifies = yield* Metric.value(Metric.withAttributes(GatewayMetrics.identifies, { shard: "0" }))
      assert.strictEqual(identifies.count, 1)
      assert.strictEqual((yield* Metric.value(GatewayMetrics.identifyBudgetRemaining)).value, 999)
      assert.strictEqual((yield* Metric.value(GatewayMetrics.sendWait)).count, 1)
    }).pipe(Effect.provide(bot()))
  )

  it.effect("of a gateway's state go with the gateway", () =>
    Effect.gen(function* () {
      const registry = new Map()
      yield* SimulatedBot.ready.pipe(
        Effect.provide(SimulatedBot.layer()),
        Effect.provideService(Metric.MetricRegistry, registry),
        Effect.scoped
      )
      const left = yield* Effect.provideService(scrape, Metric.MetricRegistry, registry)
      assert.isFalse(left.has('discord_gateway_shards{state="ready"}'))
      assert.isFalse(left.has('discord_gateway_shard_ready{shard="0"}'))
      assert.strictEqual(left.get('discord_gateway_identifies_total{shard="0"}'), 1)
    })
  )

  it.effect("sum over the gateways of one bot in a process, as on a machine of a cluster", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = (id: number) =>
        Layer.fresh(SimulatedBot.gateway({ token: "simulated-token", shards: { ids: [id], total: 4 } }))
      for (let id = 0; id < 4; id++) yield* Layer.build(gateway(id))
      yield* TestClock.adjust("1 minute")
      yield* simulator.dispatch("MESSAGE_CREATE", {}, { shard: 3 })
      yield* simulator.dispatch("MESSAGE_CREATE", {}, { shard: 0 })
      yield* TestClock.adjust("1 second")
      const series = yield* scrape
      assert.strictEqual(series.get('discord_gateway_shards{state="ready"}'), 4)
      assert.strictEqual(series.get('discord_gateway_dispatches_total{event="MESSAGE_CREATE"}'), 2)
      for (let id = 0; id < 4; id++) assert.strictEqual(series.get(`discord_gateway_shard_ready{shard="${id}"}`), 1)
      const lags = series.get("discord_gateway_event_loop_lag_seconds_count") ?? 0
      assert.isAtMost(lags, 13, "one for the process, not one for each gateway")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.provideMerge(
          SimulatedBot.discord({ shards: 4, maxConcurrency: 4 }),
          Layer.succeed(Metric.MetricRegistry, new Map())
        )
      )
    )
  )

  it.effect("tell two bots in one process apart", () =>
    Effect.gen(function* () {
      const tokens = ["111111111111111111", "222222222222222222"].map((id) => `${btoa(id)}.aaaaaa.bbbbbb`)
      for (const token of tokens) {
        const context = yield* Layer.build(Layer.fresh(SimulatedBot.discord({ token })))
        yield* Effect.provide(Layer.build(Layer.fresh(SimulatedBot.gateway({ token }))), context)
      }
      yield* TestClock.adjust("1 minute")
      const series = yield* scrape
      for (const bot of ["111111111111111111", "222222222222222222"]) {
        assert.strictEqual(series.get(`discord_gateway_shards{bot="${bot}",state="ready"}`), 1, bot)
      }
      assert.deepStrictEqual(
        [...series.keys()].filter((key) => key.includes("aaaaaa")),
        []
      )
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
