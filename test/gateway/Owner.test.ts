import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { isGatewayError } from "../../src/schema/GatewayError.ts"
import { describeShardEvent, type ShardEvent } from "../../src/schema/ShardEvent.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayOwner, type OwnerOptions } from "../../src/services/GatewayOwner.ts"
import { OwnerStore } from "../../src/services/OwnerStore.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const world = SimulatedBot.discord({ forgetsAcknowledged: true }).pipe(
  Layer.provideMerge(Persistence.layerBackingMemory),
  Layer.provideMerge(OwnerStore.layerMemory)
)

interface Handled {
  readonly n: number
  readonly by: number
  readonly at: number
}

/** Starts an instance on the stores of the context, which handles messages into the list. */
const start = (pid: number, handled: Array<Handled> = [], options: Partial<OwnerOptions> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const store = yield* OwnerStore
    let isCutOff = false
    let delay: Duration.Input | undefined
    // An instance that is paused or killed does not renew any more. A claim that is on its way arrives, whoever waits for it.
    const reachable = OwnerStore.of({
      claim: (claim) =>
        isCutOff
          ? Effect.never
          : delay === undefined
            ? store.claim(claim)
            : Effect.flatMap(Effect.forkDetach(Effect.delay(store.claim(claim), delay)), Fiber.join),
      release: (token) => (isCutOff ? Effect.never : store.release(token))
    })
    const context = yield* Layer.buildWithScope(
      Gateway.layer.pipe(
        Layer.provide([
          Layer.fresh(SessionStore.layerPersisted),
          Layer.fresh(GatewayOwner.layer({ instance: { host: "a-host", pid }, ...options })).pipe(
            Layer.provide(Layer.succeed(OwnerStore, reachable))
          )
        ]),
        Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none" }))
      ),
      scope
    )
    const gateway = yield* Effect.provideContext(Gateway, context)
    const events: Array<ShardEvent> = []
    yield* Effect.forkIn(
      Stream.runForEach(gateway.changes, (event) => Effect.sync(() => events.push(event))),
      scope
    )
    const handling = yield* Effect.forkIn(
      gateway.runForEach(({ d, t }) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          if (t === "MESSAGE_CREATE") handled.push({ n: (d as { readonly n: number }).n, by: pid, at })
        })
      ),
      scope
    )
    const said = () => events.map((event) => describeShardEvent(event)).join("\n")
    return {
      said,
      handling,
      /** Whether it reaches the store of owners. */
      reaches: (isSo: boolean) => {
        isCutOff = !isSo
      },
      /** Makes each claim take so long to the store. */
      claimsTake: (time: Duration.Input) => {
        delay = time
      },
      stop: Scope.close(scope, Exit.void)
    }
  })

/** Dispatches a message every so often, until it is interrupted. */
const load = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  let n = 0
  const dispatching = yield* Effect.forkChild(
    Effect.forever(
      Effect.delay(
        Effect.suspend(() => simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: n++ } }])),
        "200 millis"
      )
    )
  )
  return Effect.map(Fiber.interrupt(dispatching), () => Array.from({ length: n }, (_, index) => index))
})

describe("two instances with the same sessions", () => {
  it.effect("hand over by a RESUME in 100 deploys that start the new one first, and handle each event once", () =>
    Effect.gen(function* () {
      const handled: Array<Handled> = []
      let current = yield* start(0, handled)
      yield* TestClock.adjust("5 seconds")
      const ended = yield* load
      const times: Array<number> = []
      for (let deploy = 1; deploy <= 100; deploy++) {
        const next = yield* start(deploy, handled)
        // 30 seconds beside each other, of which the old one alone handles events.
        yield* TestClock.adjust("30 seconds")
        assert.include(next.said(), `process ${deploy - 1} on a-host`)
        assert.isFalse(handled.some(({ by }) => by === deploy))
        const stoppedAt = yield* Clock.currentTimeMillis
        yield* current.stop
        yield* TestClock.adjust("3 seconds")
        times.push((handled.find(({ by }) => by === deploy)?.at ?? Infinity) - stoppedAt)
        current = next
      }
      const dispatched = yield* ended
      yield* TestClock.adjust("5 seconds")
      yield* current.stop
      assert.isAbove(dispatched.length, 10_000)
      assert.deepStrictEqual(
        handled.map(({ n }) => n),
        dispatched
      )
      assert.strictEqual((yield* (yield* DiscordSimulator).counts).identifies, 1)
      assert.strictEqual((yield* (yield* DiscordSimulator).counts).resumes, 100)
      assert.isAtMost(times.toSorted((a, b) => a - b)[50] ?? Infinity, 1000)
    }).pipe(Effect.provide(world))
  )

  it.effect("go on by a RESUME, and lose nothing, when the owner is not heard of for the time of its lease", () =>
    Effect.gen(function* () {
      const handled: Array<Handled> = []
      const paused = yield* start(1, handled)
      yield* TestClock.adjust("5 seconds")
      const next = yield* start(2, handled)
      const ended = yield* load
      yield* TestClock.adjust("5 seconds")
      paused.reaches(false)
      yield* TestClock.adjust("1 minute")
      const dispatched = yield* ended
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([...new Set(handled.map(({ n }) => n))], dispatched)
      // As after a crash, what the paused one had handled since it last stored its session comes again.
      const ofPaused = handled.filter(({ by }) => by === 1)
      const lastOfPaused = ofPaused.at(-1)?.at ?? 0
      const again = ofPaused.filter(({ n }) => handled.some((one) => one.by === 2 && one.n === n))
      assert.isTrue(again.every(({ at }) => at >= lastOfPaused - 1000))
      assert.isTrue(handled.every(({ at, by }) => by === 1 || at > lastOfPaused))
      assert.strictEqual((yield* (yield* DiscordSimulator).counts).identifies, 1)
      yield* next.stop
      yield* paused.stop.pipe(Effect.forkChild)
      yield* TestClock.adjust("10 seconds")
    }).pipe(Effect.provide(world))
  )

  it.effect("end the one that finds itself followed, which says by whom", () =>
    Effect.gen(function* () {
      const paused = yield* start(1)
      yield* TestClock.adjust("5 seconds")
      const next = yield* start(2)
      paused.reaches(false)
      yield* TestClock.adjust("30 seconds")
      assert.include(next.said(), "This instance holds the sessions")
      paused.reaches(true)
      yield* TestClock.adjust("10 seconds")
      const error = yield* Effect.flip(Fiber.join(paused.handling))
      assert.include(error.message, "taken over by another instance (process 2 on a-host")
      yield* paused.stop
      yield* next.stop
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6]])
    }).pipe(Effect.provide(world))
  )

  it.effect("hand over at once, though a renewal of the one that has let go arrives after that", () =>
    Effect.gen(function* () {
      const first = yield* start(1)
      yield* TestClock.adjust("5 seconds")
      first.claimsTake("1 second")
      // Its renewal is on its way from 6 s to 7 s; the next one asks at 6.6, 6.85 and 7.1 s.
      yield* TestClock.adjust("1600 millis")
      const next = yield* start(2)
      yield* TestClock.adjust("300 millis")
      yield* first.stop
      yield* TestClock.adjust("2 seconds")
      assert.include(next.said(), "This instance holds the sessions")
      yield* next.stop
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6]])
    }).pipe(Effect.provide(world))
  )

  it.effect("hand over at once, though the one that waited first was stopped while it asked", () =>
    Effect.gen(function* () {
      const first = yield* start(1)
      yield* TestClock.adjust("5 seconds")
      const stopped = yield* start(2)
      stopped.claimsTake("1 second")
      // Its second claim is on its way from 6.25 s to 7.25 s; the next one asks at 6.6, 6.85, 7.1 and 7.35 s.
      yield* TestClock.adjust("1600 millis")
      const next = yield* start(3)
      yield* TestClock.adjust("600 millis")
      yield* first.stop
      const stopping = yield* Effect.forkChild(stopped.stop)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(stopping)
      assert.include(next.said(), "This instance holds the sessions")
      yield* next.stop
    }).pipe(Effect.provide(world))
  )

  it.effect("fail the second one with who holds them, where it is told to", () =>
    Effect.gen(function* () {
      const first = yield* start(41)
      yield* TestClock.adjust("5 seconds")
      const second = yield* start(42, [], { whenOwned: "fail" })
      yield* TestClock.adjust("1 second")
      assert.isDefined(second.handling.pollUnsafe())
      const error = yield* Effect.flip(Fiber.join(second.handling))
      assert.isTrue(isGatewayError(error))
      assert.match(error.message, /process 41 on a-host, since 1970-01-01T00:00:00/)
      assert.strictEqual((yield* (yield* DiscordSimulator).counts).dials, 1)
      yield* second.stop
      yield* first.stop
    }).pipe(Effect.provide(world))
  )
})
