import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayRelay, type RelayStatus } from "../../src/relay/GatewayRelay.ts"
import * as MemoryBroker from "../../src/relay/MemoryBroker.ts"
import { type PartitionEntries, RelayBroker } from "../../src/relay/RelayBroker.ts"
import * as RelayGateway from "../../src/relay/RelayGateway.ts"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import type { MemoryOptions } from "../../src/simulator/SimulatorOptions.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"
import { tokenOf } from "../support/TwoBots.ts"

const world = (broker: Partial<Parameters<typeof MemoryBroker.layer>[0]> = {}, discord: MemoryOptions = {}) =>
  SimulatedBot.discord({ forgetsAcknowledged: true, ...discord }).pipe(
    Layer.provideMerge(Persistence.layerBackingMemory),
    Layer.provideMerge(MemoryBroker.layer({ name: "test", ...broker }))
  )

/** Starts something in a scope of its own; closing that is its end. */
const begin = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    return { context, scope, end: Scope.close(scope, Exit.void) }
  })

const relay = begin(
  GatewayRelay.layer.pipe(
    Layer.provideMerge(
      Gateway.layer.pipe(
        Layer.provide(Layer.fresh(SessionStore.layerPersisted)),
        Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", buffer: 64 }))
      )
    )
  )
)

interface Handled {
  readonly n: number
  readonly guild: string
  readonly by: string
}

/** Starts a consumer, which handles messages into the list. */
const consumer = (by: string, handled: Array<Handled>, options: RelayGateway.RelayGatewayOptions = {}) =>
  Effect.gen(function* () {
    const started = yield* begin(RelayGateway.layer({ consumer: by, ...options }))
    const gateway = yield* Effect.provideContext(Gateway, started.context)
    yield* Effect.forkIn(
      gateway.handle({
        MESSAGE_CREATE: ({ d }) =>
          Effect.sync(() => void handled.push({ n: Number(d.id), guild: String(d.guild_id), by }))
      }),
      started.scope
    )
    return { ...started, gateway }
  })

const dispatch = (n: number, guild: string) =>
  DiscordSimulator.use((simulator) => simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: guild }))

const guilds = Array.from({ length: 20 }, (_, n) => String(197038439483310086n + BigInt(n) * 4194304n))

const dispatchMany = (from: number, to: number) =>
  Effect.forEach(
    Array.from({ length: to - from }, (_, index) => from + index),
    (n) => dispatch(n, guilds[n % guilds.length] ?? ""),
    { discard: true }
  )

const assertInOrder = (handled: ReadonlyArray<Handled>) => {
  for (const guild of guilds) {
    const of = handled.filter((one) => one.guild === guild).map(({ n }) => n)
    assert.deepStrictEqual(
      of,
      of.toSorted((one, other) => one - other)
    )
  }
}

const assertAll = (handled: ReadonlyArray<Handled>, count: number) =>
  assert.deepStrictEqual(
    handled.map(({ n }) => n).toSorted((one, other) => one - other),
    Array.from({ length: count }, (_, n) => n)
  )

describe("a relay", () => {
  it.effect("brings what Discord sends to the consumers, each guild in order to one of them", () =>
    Effect.gen(function* () {
      yield* relay
      const handled: Array<Handled> = []
      for (const by of ["a", "b", "c"]) yield* consumer(by, handled)
      yield* TestClock.adjust("5 seconds")
      yield* dispatchMany(0, 200)
      yield* TestClock.adjust("5 seconds")
      assertAll(handled, 200)
      assertInOrder(handled)
      for (const guild of guilds) {
        assert.strictEqual(new Set(handled.filter((one) => one.guild === guild).map(({ by }) => by)).size, 1)
      }
      assert.strictEqual(new Set(handled.map(({ by }) => by)).size, 3)
      const broker = yield* RelayBroker
      assert.deepInclude(yield* broker.status, { depth: 0, consumers: 3 })
    }).pipe(Effect.provide(world()))
  )

  it.effect("keeps what comes while there is no consumer, and while consumers come and go", () =>
    Effect.gen(function* () {
      yield* relay
      yield* TestClock.adjust("1 second")
      yield* dispatchMany(0, 100)
      yield* TestClock.adjust("10 minutes")
      const handled: Array<Handled> = []
      const first = yield* consumer("a", handled)
      yield* dispatchMany(100, 150)
      yield* TestClock.adjust("3 seconds")
      yield* consumer("b", handled)
      yield* dispatchMany(150, 200)
      yield* TestClock.adjust("3 seconds")
      yield* first.end
      yield* dispatchMany(200, 300)
      yield* TestClock.adjust("3 seconds")
      assertAll(handled, 300)
      assertInOrder(handled)
    }).pipe(Effect.provide(world()))
  )

  it.effect("resumes after a restart, and publishes nothing twice", () =>
    Effect.gen(function* () {
      const first = yield* relay
      const handled: Array<Handled> = []
      yield* consumer("a", handled)
      yield* TestClock.adjust("2 seconds")
      yield* dispatchMany(0, 50)
      yield* TestClock.adjust("1 second")
      yield* first.end
      yield* dispatchMany(50, 100)
      yield* relay
      yield* TestClock.adjust("5 seconds")
      assertAll(handled, 100)
      assertInOrder(handled)
      assert.lengthOf(yield* SimulatedBot.identifies, 1)
    }).pipe(Effect.provide(world()))
  )

  it.effect("waits while the broker holds as many dispatches as it may, and loses none", () =>
    Effect.gen(function* () {
      const { context } = yield* relay
      yield* TestClock.adjust("1 second")
      for (let n = 0; n < 500; n += 10) {
        yield* dispatchMany(n, n + 10)
        yield* TestClock.adjust("1 second")
      }
      const broker = yield* RelayBroker
      assert.isBelow((yield* broker.status).depth, 200)
      const { held } = yield* Effect.provideContext(
        GatewayRelay.use(({ status }) => status),
        context
      )
      assert.strictEqual(held._tag, "Some")
      const metrics = yield* PrometheusMetrics.format()
      assert.match(metrics, /discord_relay_held\{relay="full"\} 1/)
      assert.match(metrics, /discord_relay_depth\{relay="full"\} [1-9]/)
      const handled: Array<Handled> = []
      yield* consumer("a", handled)
      yield* TestClock.adjust("1 minute")
      assertAll(handled, 500)
      assertInOrder(handled)
    }).pipe(Effect.provide(world({ capacity: 50, name: "full" })))
  )
})

describe("a relay whose broker takes nothing for twenty minutes", () => {
  /** The socket is not read in the meantime: acknowledgements of heartbeats wait in it behind dispatches. */
  const keepsItsConnection = Effect.fnUntraced(function* (takesAgain: Effect.Effect<unknown>) {
    const simulator = yield* DiscordSimulator
    yield* relay
    const handled: Array<Handled> = []
    yield* TestClock.adjust("1 second")
    const content = "x".repeat(2000)
    for (let n = 0; n < 1200; n++) {
      yield* simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: guilds[n % guilds.length] ?? "", content })
      yield* TestClock.adjust("1 second")
    }
    const { connections, heartbeats, resumes } = yield* simulator.counts
    assert.deepStrictEqual({ connections, resumes }, { connections: 1, resumes: 0 })
    assert.isAtLeast(heartbeats, 29)
    yield* takesAgain
    yield* consumer("a", handled)
    yield* TestClock.adjust("2 minutes")
    assertAll(handled, 1200)
    assertInOrder(handled)
    assert.deepInclude(yield* simulator.counts, { connections: 1, identifies: 1 })
  })

  it.effect("keeps its connection where the broker is full", () =>
    keepsItsConnection(Effect.void).pipe(Effect.provide(world({ capacity: 50, name: "full" })))
  )

  it.effect("keeps its connection where the broker does not answer", () =>
    Effect.gen(function* () {
      const answers = yield* Latch.make(false)
      const broker = yield* RelayBroker
      const unanswering = RelayBroker.of({
        ...broker,
        publish: (records) => Effect.andThen(answers.await, broker.publish(records))
      })
      yield* Effect.provideService(keepsItsConnection(answers.open), RelayBroker, unanswering)
    }).pipe(Effect.provide(world()))
  )
})

describe("a relay of several gateways", () => {
  const shards = [0, 1, 2, 3]

  it.effect("is one for the broker, and makes each call on the gateway that has the shard", () =>
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      const asked = { put: 0, calls: 0, claim: 0 }
      const counted = RelayBroker.of({
        ...broker,
        put: (name, text) =>
          Effect.andThen(
            Effect.sync(() => asked.put++),
            broker.put(name, text)
          ),
        claim: (channel, position) =>
          Effect.andThen(
            Effect.sync(() => asked.claim++),
            broker.claim(channel, position)
          ),
        follow: (channel, options) => {
          if (channel === "calls") asked.calls++
          return broker.follow(channel, options)
        }
      })
      const simulator = yield* DiscordSimulator
      const of = yield* Layer.build(Layer.provide(GatewayRelay.layerShared, Layer.succeed(RelayBroker, counted)))
      const gatewayOf = (id: number) =>
        Gateway.layer.pipe(
          Layer.provide(Layer.fresh(SessionStore.layerPersisted)),
          Layer.provide(
            GatewayConfig.layer({ token: "simulated-token", compression: "none", shards: { ids: [id], total: 4 } })
          )
        )
      const relaying = yield* Effect.forEach(shards, (id) =>
        Effect.forkScoped(Effect.provide(Effect.provideContext(GatewayRelay.relay, of), Layer.fresh(gatewayOf(id))))
      )
      yield* TestClock.adjust("10 seconds")
      const before = { ...asked }
      const handled: Array<Handled> = []
      const { gateway } = yield* consumer("a", handled)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual({ ...asked, put: asked.put - before.put }, { put: 10, calls: 1, claim: 0 })
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ shard, state }) => [shard.toString(), state]),
        shards.map((id) => [`${id}/4`, "ready"])
      )
      yield* dispatchMany(0, 100)
      yield* TestClock.adjust("2 seconds")
      assertAll(handled, 100)
      assertInOrder(handled)

      /** Opcodes of the payloads that each shard was sent. */
      const sent = Effect.map(simulator.connections, (connections) =>
        shards.map((id) =>
          connections
            .filter(({ shard }) => shard === id)
            .flatMap(({ frames }) => frames.map(({ op }) => op))
            .filter((op) => op === 3 || op === 4)
        )
      )
      const guild = guilds.find((guild) => (BigInt(guild) >> 22n) % 4n === 2n) ?? ""
      const state = { channel_id: null, self_deaf: false, self_mute: false }
      yield* gateway.send(SendEvent.updateVoiceState({ guild_id: guild, ...state }))
      yield* gateway.send(
        SendEvent.updatePresence({ since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* sent, [[3], [3], [4, 3], [3]])
      // No other process has shards: each is taken out of the channel.
      assert.strictEqual(asked.claim, 2)
      const unknown = yield* Effect.flip(
        gateway.send(SendEvent.updateVoiceState({ guild_id: guild, ...state }), { shard: 7 })
      )
      assert.strictEqual(unknown.reason._tag, "UnknownShard")

      // One that has gone is another process's: its calls are left to that.
      const [first] = relaying
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ shard }) => shard.id),
        [1, 2, 3]
      )
      const restarting = yield* Effect.forkScoped(gateway.restart(0))
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(restarting.pollUnsafe())
      // It comes back, and has the call that was waiting for it.
      const again = yield* Effect.forkScoped(
        Effect.provide(Effect.provideContext(GatewayRelay.relay, of), Layer.fresh(gatewayOf(0)))
      )
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(restarting.pollUnsafe()?._tag, "Success")
      // While their Discord is still there.
      yield* Fiber.interruptAll([...relaying, again])
    }).pipe(Effect.provide(world({}, { maxConcurrency: 16 })))
  )

  it.effect("forgets what relays told of themselves that were killed", () =>
    Effect.gen(function* () {
      const { texts } = yield* RelayBroker
      const names = Effect.map(texts, (texts) => [...texts.keys()])
      // Killed: nothing of it is taken back.
      const killed = yield* relay
      yield* TestClock.adjust("1 second")
      const [first = ""] = yield* names
      const text = (yield* texts).get(first) ?? ""
      yield* killed.end
      yield* RelayBroker.use(({ put }) => put(first, text))
      yield* relay
      yield* TestClock.adjust("5 minutes")
      assert.lengthOf(yield* names, 2)
      yield* TestClock.adjust("20 minutes")
      const left = yield* names
      assert.lengthOf(left, 1)
      assert.notInclude(left, first)
    }).pipe(Effect.provide(world()))
  )
})

describe("two bots in one process", () => {
  const token = (n: number) => tokenOf(String(100000000000000000n + BigInt(n)))

  it.effect("are two relays, each with its own gateway, though their layers are put together", () =>
    Effect.gen(function* () {
      const discords = yield* Effect.forEach([1, 2], (n) =>
        Effect.map(
          Layer.build(Layer.fresh(SimulatedBot.discord({ token: token(n), guilds: n }))),
          (context) => [n, context] as const
        )
      )
      const statuses = new Map<string, RelayStatus>()
      const relays = discords.map(([n, context]) =>
        Layer.fresh(
          Layer.effectDiscard(
            GatewayRelay.use(({ status }) =>
              Effect.forkScoped(
                Effect.forever(
                  Effect.delay(
                    Effect.map(status, (is) => statuses.set(is.name, is)),
                    "1 second"
                  )
                )
              )
            )
          ).pipe(
            Layer.provide(GatewayRelay.layer),
            Layer.provide(Gateway.layer),
            Layer.provide(GatewayConfig.layer({ token: token(n), compression: "none" })),
            Layer.provide(MemoryBroker.layer({ name: `bot ${n}` })),
            Layer.provide(Layer.succeedContext(context))
          )
        )
      )
      yield* Layer.build(Layer.mergeAll(Layer.empty, ...relays))
      yield* TestClock.adjust("1 minute")
      for (const [n, context] of discords) {
        const counts = yield* Effect.provideContext(
          DiscordSimulator.use(({ counts }) => counts),
          context
        )
        assert.strictEqual(counts.identifies, 1)
        // READY, and its guilds.
        assert.strictEqual(statuses.get(`bot ${n}`)?.published, 1 + n)
      }
      const metrics = yield* PrometheusMetrics.format()
      assert.match(metrics, /discord_relay_published_total\{relay="bot 1"\} 2/)
      assert.match(metrics, /discord_relay_published_total\{relay="bot 2"\} 3/)
      assert.match(metrics, /discord_gateway_shards\{bot="100000000000000001",state="ready"\} 1/)
      assert.match(metrics, /discord_gateway_shards\{bot="100000000000000002",state="ready"\} 1/)
    })
  )
})

describe("a consumer", () => {
  it.effect("has the gateway's shards, session, identity and changes", () =>
    Effect.gen(function* () {
      yield* relay
      yield* TestClock.adjust("2 seconds")
      const { gateway } = yield* consumer("a", [])
      const events: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(gateway.changes, ({ _tag }) => Effect.sync(() => void events.push(_tag)))
      )
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ shard, state }) => [shard.toString(), state]),
        [["0/1", "ready"]]
      )
      assert.strictEqual((yield* gateway.session())._tag, "Some")
      assert.strictEqual((yield* gateway.identity)._tag, "Some")
      assert.include(events, "Ready")
    }).pipe(Effect.provide(world()))
  )

  it.effect("sends through the relay, and is told what became of it", () =>
    Effect.gen(function* () {
      yield* relay
      const { gateway } = yield* consumer("a", [])
      yield* TestClock.adjust("2 seconds")
      yield* gateway.send(
        SendEvent.updatePresence({ since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false })
      )
      yield* TestClock.adjust("1 second")
      const [connection] = yield* DiscordSimulator.use(({ connections }) => connections)
      assert.include(connection?.frames.map(({ op }) => op) ?? [], 3)
      const invalid = yield* Effect.flip(
        gateway.send(SendEvent.requestGuildMembers({ guild_id: "x", query: "", limit: 0 }))
      )
      assert.strictEqual(invalid.reason._tag, "InvalidSendEvent")
      const unknown = yield* Effect.flip(
        gateway.send(
          SendEvent.updateVoiceState({ guild_id: "1", channel_id: null, self_deaf: false, self_mute: false }),
          {
            shard: 7
          }
        )
      )
      assert.strictEqual(unknown.reason._tag, "UnknownShard")
    }).pipe(Effect.provide(world()))
  )

  it.effect("has its call made once, though the relay is started anew", () =>
    Effect.gen(function* () {
      const first = yield* relay
      const { gateway } = yield* consumer("a", [])
      yield* TestClock.adjust("2 seconds")
      yield* gateway.send(
        SendEvent.updatePresence({ since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false })
      )
      yield* TestClock.adjust("1 second")
      yield* first.end
      yield* relay
      yield* TestClock.adjust("5 seconds")
      const connections = yield* DiscordSimulator.use(({ connections }) => connections)
      assert.isAbove(connections.length, 1)
      assert.lengthOf(
        connections.flatMap(({ frames }) => frames.filter(({ op }) => op === 3)),
        1
      )
    }).pipe(Effect.provide(world()))
  )

  it.effect("has its call made once, though the broker forgets who has taken it", () =>
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      yield* relay.pipe(
        Effect.provideService(RelayBroker, {
          ...broker,
          // Of a broker that was set back: what it had comes again, as if nobody had taken it.
          follow: (channel, options) =>
            Stream.flatMap(broker.follow(channel, options), (message) => Stream.make(message, message)),
          claim: () => Effect.succeed(true)
        })
      )
      const { gateway } = yield* consumer("a", [])
      yield* TestClock.adjust("2 seconds")
      yield* gateway.send(
        SendEvent.updateVoiceState({
          guild_id: guilds[0] ?? "",
          channel_id: null,
          self_deaf: false,
          self_mute: false
        })
      )
      yield* TestClock.adjust("5 seconds")
      const connections = yield* DiscordSimulator.use(({ connections }) => connections)
      assert.lengthOf(
        connections.flatMap(({ frames }) => frames.filter(({ op }) => op === 4)),
        1
      )
    }).pipe(Effect.provide(world()))
  )

  it.effect("is told that its call cannot be read, and others are answered after it", () =>
    Effect.gen(function* () {
      yield* relay
      yield* TestClock.adjust("2 seconds")
      const broker = yield* RelayBroker
      const answers: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(broker.follow("answers:foreign", { fromStart: true }), ({ text }) =>
          Effect.sync(() => void answers.push(text))
        )
      )
      const call = (id: number, what: unknown) =>
        broker.post("calls", JSON.stringify({ version: 1, id, from: "foreign", until: 1e9, what }))
      yield* broker.post("calls", "nothing that is known")
      yield* call(1, { _tag: "RequestMembers", request: "{", timeout: 1000 })
      yield* call(2, { _tag: "Send", frame: "[]", raw: false })
      yield* call(3, { _tag: "Restart", shard: 0 })
      yield* TestClock.adjust("5 seconds")
      assert.match(answers[0] ?? "", /"to":1,.*InvalidSendEvent/)
      assert.match(answers[1] ?? "", /"to":2,.*InvalidSendEvent/)
      assert.match(answers[2] ?? "", /"to":3,.*Done/)
    }).pipe(Effect.provide(world()))
  )

  it.effect("leaves what it had in hand to the others when it is not heard of any more", () =>
    Effect.gen(function* () {
      yield* relay
      const handled: Array<Handled> = []
      const broker = yield* RelayBroker
      // A consumer that was killed: it has taken leases and read, and renews nothing.
      yield* broker.lease("killed", Duration.seconds(10))
      yield* TestClock.adjust("1 second")
      yield* consumer("b", handled)
      yield* dispatchMany(0, 100)
      yield* TestClock.adjust("5 seconds")
      assert.isBelow(handled.length, 100)
      yield* TestClock.adjust("90 seconds")
      assertAll(handled, 100)
      assertInOrder(handled)
    }).pipe(Effect.provide(world()))
  )

  it.effect("hands out once what its broker repeats while it is in hand", () =>
    Effect.gen(function* () {
      yield* relay
      const broker = yield* RelayBroker
      const atStart: RelayBroker["Service"]["read"] = (after, options) =>
        broker.read(new Map([...after.keys()].map((partition) => [partition, undefined])), options)
      const handled: Array<number> = []
      const { context } = yield* begin(RelayGateway.layer()).pipe(
        Effect.provideService(RelayBroker, { ...broker, read: atStart })
      )
      const gateway = yield* Effect.provideContext(Gateway, context)
      yield* gateway
        .handle(
          {
            MESSAGE_CREATE: ({ d }) =>
              Effect.delay(
                Effect.sync(() => void handled.push(Number(d.id))),
                "2 seconds"
              )
          },
          { concurrency: 64 }
        )
        .pipe(Effect.forkScoped)
      yield* TestClock.adjust("1 second")
      yield* dispatchMany(0, 60)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        handled.toSorted((one, other) => one - other),
        Array.from({ length: 60 }, (_, n) => n)
      )
    }).pipe(Effect.provide(world()))
  )

  it.effect("acknowledges again what its broker has forgotten to be acknowledged, and hands it out no more", () =>
    Effect.gen(function* () {
      yield* relay
      const broker = yield* RelayBroker
      const entries: Array<PartitionEntries> = []
      const acknowledged: Array<string> = []
      const handled: Array<Handled> = []
      const { context } = yield* begin(RelayGateway.layer()).pipe(
        Effect.provideService(RelayBroker, {
          ...broker,
          read: (after, options) =>
            // What it had a moment ago, as if it had been set back.
            entries.length > 0 && acknowledged.length === 40
              ? Effect.sync(() => entries.splice(0))
              : Effect.tap(broker.read(after, options), (read) => Effect.sync(() => entries.push(...read))),
          acknowledge: (keys) =>
            Effect.tap(broker.acknowledge(keys), () =>
              Effect.sync(() => acknowledged.push(...[...keys.values()].flat().map(({ position }) => position)))
            )
        })
      )
      const gateway = yield* Effect.provideContext(Gateway, context)
      yield* gateway
        .handle({
          MESSAGE_CREATE: ({ d }) =>
            Effect.sync(() => void handled.push({ n: Number(d.id), guild: String(d.guild_id), by: "a" }))
        })
        .pipe(Effect.forkScoped)
      yield* TestClock.adjust("1 second")
      acknowledged.length = 0
      yield* dispatchMany(0, 40)
      yield* TestClock.adjust("10 seconds")
      assertAll(handled, 40)
      assert.isAtLeast(acknowledged.length, 80)
      assert.strictEqual(new Set(acknowledged.slice(0, 40)).size, 40)
    }).pipe(Effect.provide(world()))
  )

  it.effect("that comes later gets its share of the guilds, not of the partitions that have none", () =>
    Effect.gen(function* () {
      yield* relay
      const handled = new Map<string, number>()
      const start = Effect.fnUntraced(function* (by: string) {
        const { context } = yield* begin(RelayGateway.layer({ consumer: by }))
        const gateway = yield* Effect.provideContext(Gateway, context)
        const work = Effect.delay(
          Effect.sync(() => handled.set(by, (handled.get(by) ?? 0) + 1)),
          "1500 millis"
        )
        yield* Effect.forkScoped(gateway.handle({ MESSAGE_CREATE: () => work }, { concurrency: 64 }))
      })
      yield* start("a")
      yield* TestClock.adjust("2 seconds")
      const busy = (seconds: number) =>
        Effect.forEach(
          Array.from({ length: seconds }, (_, n) => n),
          () => Effect.andThen(dispatchMany(0, guilds.length), TestClock.adjust("1 second")),
          { discard: true }
        )
      yield* busy(5)
      yield* start("b")
      yield* busy(10)
      handled.clear()
      yield* busy(10)
      const [a = 0, b = 0] = ["a", "b"].map((by) => handled.get(by))
      assert.isAbove(Math.min(a, b), (a + b) / 4, `a ${a}, b ${b}`)
    }).pipe(Effect.provide(world()))
  )

  it.effect("keeps what a handler gives up as a dead letter with its cause", () =>
    Effect.gen(function* () {
      yield* relay
      const started = yield* begin(RelayGateway.layer())
      const gateway = yield* Effect.provideContext(Gateway, started.context)
      yield* Effect.forkScoped(
        gateway.handle(
          { MESSAGE_CREATE: ({ d }) => (d.id === "3" ? Effect.fail("no threes") : Effect.void) },
          { onFailure: { deadLetter: RelayGateway.deadLetter } }
        )
      )
      yield* TestClock.adjust("2 seconds")
      yield* dispatchMany(0, 10)
      yield* TestClock.adjust("2 seconds")
      const broker = yield* RelayBroker
      const letters = yield* broker.deadLetters(10)
      assert.deepStrictEqual(
        letters.map(({ attempts, name }) => ({ attempts, name })),
        [{ attempts: 1, name: "MESSAGE_CREATE" }]
      )
      assert.include(letters[0]?.cause, "no threes")
      assert.deepInclude(yield* broker.status, { depth: 0, deadLetters: 1 })
    }).pipe(Effect.provide(world()))
  )

  it.effect("asks for members through the relay", () =>
    Effect.gen(function* () {
      yield* relay
      const { gateway } = yield* consumer("a", [])
      yield* TestClock.adjust("2 seconds")
      const asking = yield* Effect.forkScoped(
        Stream.runCollect(gateway.requestGuildMembers({ guild_id: "197038439483310086", query: "a", limit: 5 }))
      )
      const unanswered = yield* Effect.forkScoped(
        Effect.flip(
          Stream.runDrain(gateway.requestGuildMembers({ guild_id: "197038439483310086", query: "", limit: 0 }))
        )
      )
      yield* TestClock.adjust("40 seconds")
      const chunks = yield* Fiber.join(asking)
      assert.deepStrictEqual(
        chunks.map(({ chunk_count, chunk_index }) => [chunk_index, chunk_count]),
        [[0, 1]]
      )
      // Without the intent Discord does not answer.
      assert.strictEqual((yield* Fiber.join(unanswered)).reason._tag, "SendTimeout")
    }).pipe(Effect.provide(world()))
  )
})
