import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { Session } from "../../src/schema/Session.ts"
import type { ShardEvent } from "../../src/schema/ShardEvent.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { SessionStore, SessionStoreError } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

type Behaviour = "well" | "with an error" | "never"

/** A durable store of one shard that answers as it is told to. */
const makeStore = () => {
  const behaves: { reads: Behaviour; writes: Behaviour } = { reads: "well", writes: "well" }
  let stored = Option.none<Session>()
  const answer = <A>(how: Behaviour, work: () => A): Effect.Effect<A, SessionStoreError> => {
    if (how === "never") return Effect.never
    return how === "well" ? Effect.sync(work) : Effect.fail(new SessionStoreError({ description: "MASTERDOWN" }))
  }
  const layer = Layer.succeed(SessionStore, {
    get: () => Effect.suspend(() => answer(behaves.reads, () => stored)),
    set: (session) =>
      Effect.suspend(() =>
        answer(behaves.writes, () => {
          stored = Option.some(session)
        })
      ),
    remove: () =>
      Effect.suspend(() =>
        answer(behaves.writes, () => {
          stored = Option.none()
        })
      ),
    durable: true
  })
  const put = (session: Session) => {
    stored = Option.some(session)
  }
  return { behaves, layer, put, stored: () => stored }
}

/** Starts a program that handles everything, on a store. */
const start = Effect.fnUntraced(function* (store: Layer.Layer<SessionStore>, config: Partial<GatewayOptions> = {}) {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(
    Gateway.layer.pipe(
      Layer.provide(store),
      Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...config }))
    ),
    scope
  )
  const gateway = yield* Effect.provideContext(Gateway, context)
  const events: Array<ShardEvent> = []
  yield* Effect.forkIn(
    Stream.runForEach(gateway.changes, (event) => Effect.sync(() => events.push(event))),
    scope
  )
  yield* Effect.forkIn(
    gateway.runForEach(() => Effect.void),
    scope
  )
  const tags = () => events.map(({ _tag }) => _tag)
  return { gateway, tags, stop: Scope.close(scope, Exit.void) }
})

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** A program that has run, handled something, and ended in peace. */
const after = Effect.fnUntraced(function* (store: Layer.Layer<SessionStore>) {
  const simulator = yield* DiscordSimulator
  const program = yield* start(store)
  yield* TestClock.adjust("1 second")
  yield* simulator.dispatch("MESSAGE_CREATE", {})
  yield* TestClock.adjust("3 seconds")
  const stopping = yield* Effect.forkChild(program.stop)
  yield* TestClock.adjust("2 seconds")
  yield* Fiber.join(stopping)
  return simulator
})

describe("a store of sessions", () => {
  it.effect("that cannot be read for a moment at the start costs no session", () =>
    Effect.gen(function* () {
      const store = makeStore()
      const simulator = yield* after(store.layer)
      store.behaves.reads = "with an error"
      const program = yield* start(store.layer)
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(program.tags(), ["StoreFailed"])
      store.behaves.reads = "well"
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* simulator.counts, { identifies: 1, resumes: 1 })
      assert.include(program.tags(), "StoreRecovered")
      const stopping = yield* Effect.forkChild(program.stop)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
    }).pipe(Effect.provide(SimulatedBot.discord({ sessionTimeout: "1 hour" })), quietly)
  )

  it.effect("that was not read yet when the program is stopped keeps what it has", () =>
    Effect.gen(function* () {
      const store = makeStore()
      yield* after(store.layer)
      const before = store.stored()
      store.behaves.reads = "never"
      const program = yield* start(store.layer)
      yield* TestClock.adjust("3 seconds")
      const stopping = yield* Effect.forkChild(program.stop)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
      assert.isTrue(Option.isSome(before))
      assert.deepStrictEqual(store.stored(), before)
    }).pipe(Effect.provide(SimulatedBot.discord({ sessionTimeout: "1 hour" })), quietly)
  )

  it.effect("that never answers is waited for as long as the option says; then the bot identifies", () =>
    Effect.gen(function* () {
      const store = makeStore()
      store.behaves.reads = "never"
      const simulator = yield* DiscordSimulator
      const program = yield* start(store.layer, { timeouts: { storeRead: "30 seconds" } })
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* simulator.counts).identifies, 0)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* simulator.counts).identifies, 1)
      const stopping = yield* Effect.forkChild(program.stop)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
    }).pipe(Effect.provide(SimulatedBot.discord()), quietly)
  )

  it.effect("that hangs holds up neither a graceful stop nor the IDENTIFY after op 9", () =>
    Effect.gen(function* () {
      const store = makeStore()
      const simulator = yield* DiscordSimulator
      const program = yield* start(store.layer)
      yield* TestClock.adjust("10 seconds")
      store.behaves.writes = "never"
      yield* simulator.invalidateSession(false)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* simulator.counts).identifies, 2)
      assert.strictEqual((yield* program.gateway.shards)[0]?.state, "ready")
      const stopping = yield* Effect.forkChild(program.stop)
      yield* TestClock.adjust("7 seconds")
      assert.isDefined(stopping.pollUnsafe())
    }).pipe(Effect.provide(SimulatedBot.discord()), quietly)
  )

  it.effect("that takes no writes, a full disk say, is never ahead of by a heartbeat", () =>
    Effect.gen(function* () {
      const store = makeStore()
      const simulator = yield* DiscordSimulator
      const program = yield* start(store.layer)
      yield* TestClock.adjust("5 seconds")
      store.behaves.writes = "with an error"
      for (let n = 0; n < 20; n++) yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("5 seconds")
      yield* simulator.requestHeartbeat()
      yield* TestClock.adjust("1 second")
      const beats = Effect.map(simulator.connections, ([connection]) =>
        (connection?.frames ?? []).flatMap(({ op, payload }) => (op === 1 ? [(payload as { d: number | null }).d] : []))
      )
      assert.strictEqual((yield* beats).at(-1), 1, "READY is all that the store has")
      store.behaves.writes = "well"
      yield* TestClock.adjust("5 seconds")
      yield* simulator.requestHeartbeat()
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* beats).at(-1), 21)
      const stopping = yield* Effect.forkChild(program.stop)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
    }).pipe(Effect.provide(SimulatedBot.discord({ heartbeatInterval: "10 minutes" })), quietly)
  )

  it.effect("that names another host to resume at does not get the token there", () =>
    Effect.gen(function* () {
      const store = makeStore()
      const simulator = yield* after(store.layer)
      const session = Option.getOrThrow(store.stored())
      store.put(new Session({ ...session, resumeUrl: "wss://gateway.evil.example" }))
      const program = yield* start(store.layer)
      yield* TestClock.adjust("5 seconds")
      assert.include(program.tags(), "ResumeUrlRefused")
      assert.deepInclude(yield* simulator.counts, { identifies: 1, resumes: 1 })
      assert.deepStrictEqual(
        (yield* simulator.dials).filter(({ url }) => url.includes("evil")),
        []
      )
      const stopping = yield* Effect.forkChild(program.stop)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
    }).pipe(Effect.provide(SimulatedBot.discord({ sessionTimeout: "1 hour" })), quietly)
  )
})

describe("what was handed out before a crash", () => {
  it.effect("says so when it comes again, and how often; after a stop in peace nothing does", () =>
    Effect.gen(function* () {
      const store = makeStore()
      const simulator = yield* DiscordSimulator
      const program = yield* start(store.layer)
      yield* TestClock.adjust("5 seconds")
      // The processes die without a word: what they leave is what the store has.
      const crash = Effect.fnUntraced(function* () {
        store.behaves.writes = "with an error"
        yield* program.stop.pipe(Effect.forkChild)
        yield* TestClock.adjust("3 seconds")
        store.behaves.writes = "well"
      })
      yield* crash()
      yield* simulator.dispatchAll([1, 2].map((n) => ({ t: "MESSAGE_CREATE", d: { n } })))
      const seen: Array<readonly [n: unknown, redelivered: boolean, attempts: number]> = []
      for (let life = 0; life < 3; life++) {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(
          Gateway.layer.pipe(
            Layer.provide(store.layer),
            Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none" }))
          ),
          scope
        )
        const gateway = yield* Effect.provideContext(Gateway, context)
        yield* Effect.forkIn(
          Stream.runForEach(gateway.deliveries, ({ ack, attempts, payload, redelivered }) =>
            Effect.suspend(() => {
              if (payload.t !== "MESSAGE_CREATE") return ack
              seen.push([(payload.d as { n: number }).n, redelivered, attempts])
              return life === 2 ? ack : Effect.void
            })
          ),
          scope
        )
        yield* TestClock.adjust("5 seconds")
        if (life < 2) store.behaves.writes = "with an error"
        yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("3 seconds")
        store.behaves.writes = "well"
      }
      assert.deepStrictEqual(seen, [
        [1, true, 2],
        [2, true, 2],
        [1, true, 3],
        [2, true, 3],
        [1, true, 4],
        [2, true, 4]
      ])
      const last = Option.getOrThrow(store.stored())
      assert.isUndefined(last.starts, "the last one ended in peace")
    }).pipe(Effect.provide(SimulatedBot.discord({ sessionTimeout: "1 hour" })), quietly)
  )
})
