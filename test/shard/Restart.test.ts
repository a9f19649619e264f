import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { Payload } from "../../src/schema/Payload.ts"
import type { Session } from "../../src/schema/Session.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../src/services/GatewayConnection.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { Heartbeat } from "../../src/services/Heartbeat.ts"
import { IdentifyLimiter } from "../../src/services/IdentifyLimiter.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** A durable store that counts what is written. */
const makeStore = () => {
  const written: Array<Session> = []
  let stored = Option.none<Session>()
  const layer = Layer.succeed(SessionStore, {
    get: () => Effect.sync(() => stored),
    set: (session) =>
      Effect.sync(() => {
        stored = Option.some(session)
        written.push(session)
      }),
    remove: () =>
      Effect.sync(() => {
        stored = Option.none()
      }),
    durable: true
  })
  return { layer, written, stored: () => stored, put: (session: Session) => (stored = Option.some(session)) }
}

/** Starts a program: a gateway of its own on the given store. */
const start = (store: Layer.Layer<SessionStore>, config: Partial<GatewayOptions> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(
      Gateway.layer.pipe(
        Layer.provide([GatewayConnection.layer, Heartbeat.layer, store, IdentifyLimiter.layerMemory]),
        Layer.provide(GatewayDirectory.layer),
        Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...config }))
      ),
      scope
    )
    return { scope, context, stop: Scope.close(scope, Exit.void) }
  })

const message = (n: number) => ({ t: "MESSAGE_CREATE", d: { n } })
const numbers = (payloads: ReadonlyArray<Payload>) =>
  payloads.flatMap(({ d, t }) => (t === "MESSAGE_CREATE" ? [(d as { n: number }).n] : []))

describe("a program that is started again", () => {
  it.effect("resumes at the stored URL: no IDENTIFY, nothing lost, nothing twice", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const got: Array<Payload> = []
      for (let deploy = 0; deploy < 3; deploy++) {
        const program = yield* start(store.layer)
        yield* Effect.gen(function* () {
          const gateway = yield* Gateway
          yield* Effect.forkIn(
            Stream.runForEach(gateway.payloads, (payload) => Effect.sync(() => void got.push(payload))),
            program.scope
          )
        }).pipe(Effect.provideContext(program.context))
        yield* TestClock.adjust("1 second")
        yield* simulator.dispatchAll([message(deploy * 10 + 1), message(deploy * 10 + 2)])
        yield* TestClock.adjust("1 second")
        yield* program.stop
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: deploy * 10 + 3 } }])
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(numbers(got), [1, 2, 3, 11, 12, 13, 21, 22])
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6], [6]])
      const connections = yield* simulator.connections
      assert.deepStrictEqual(
        connections.map(({ end, host }) => [host, end?.by, end?.how, end?.code]),
        [
          ["main", "client", "close", 4000],
          ["resume", "client", "close", 4000],
          ["resume", "client", "close", 4000]
        ]
      )
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )

  it.effect("is given again what it had not handled", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const first = yield* start(store.layer)
      const handling: Array<number> = []
      const stuck = yield* Latch.make(false)
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        yield* Effect.forkIn(
          Stream.runForEach(Stream.rechunk(gateway.on("MESSAGE_CREATE"), 1), ({ d }) =>
            Effect.suspend(() => {
              const { n } = d as never as { n: number }
              handling.push(n)
              return n < 3 ? Effect.void : stuck.await
            })
          ),
          first.scope
        )
      }).pipe(Effect.provideContext(first.context))
      yield* TestClock.adjust("1 second")
      for (let n = 1; n <= 5; n++) {
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n } }])
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(handling, [1, 2, 3])
      yield* first.stop
      // READY is 1, the messages are 2 to 6; the third was never finished.
      assert.strictEqual(Option.getOrThrow(store.stored()).sequence, 3)

      const second = yield* start(store.layer)
      const listener = yield* Effect.provideContext(SimulatedBot.listen, second.context)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(numbers(listener.payloads), [3, 4, 5])
      yield* second.stop
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )

  it.effect("is told how often it was given what it had not handled, from the first payload of the session on", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const seen: Array<readonly [t: string | null, redelivered: boolean, attempts: number]> = []
      for (let process = 1; process <= 3; process++) {
        const program = yield* start(store.layer)
        yield* Effect.gen(function* () {
          const { deliveries } = yield* Gateway
          yield* Effect.forkIn(
            Stream.runForEach(deliveries, ({ attempts, payload, redelivered }) =>
              Effect.sync(() => {
                if (payload.t !== "RESUMED" && payload.op === 0) seen.push([payload.t, redelivered, attempts])
              })
            ),
            program.scope
          )
        }).pipe(Effect.provideContext(program.context))
        yield* TestClock.adjust("1 second")
        if (process === 1) yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: 1 } }])
        yield* TestClock.adjust("1 second")
        // It is killed: what it would write at its end is not written.
        const left = store.stored()
        yield* program.stop
        store.put(Option.getOrThrow(left))
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(seen, [
        ["READY", false, 1],
        ["MESSAGE_CREATE", false, 1],
        ["READY", true, 2],
        ["MESSAGE_CREATE", true, 2],
        ["READY", true, 3],
        ["MESSAGE_CREATE", true, 3]
      ])
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6], [6]])
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )

  for (const replaysResumed of [false, true]) {
    it.effect(
      `is told so for the whole replay and for nothing behind it, ${replaysResumed ? "with" : "without"} the RESUMEDs of processes before in it`,
      () =>
        Effect.gen(function* () {
          const simulator = yield* DiscordSimulator
          const store = makeStore()
          const seen: Array<ReadonlyArray<readonly [n: number, redelivered: boolean]>> = []
          for (let process = 1; process <= 3; process++) {
            const program = yield* start(store.layer)
            const own: Array<readonly [n: number, redelivered: boolean]> = []
            seen.push(own)
            yield* Effect.gen(function* () {
              const { deliveries } = yield* Gateway
              yield* Effect.forkIn(
                Stream.runForEach(deliveries, ({ payload, redelivered }) =>
                  Effect.sync(() => own.push(...numbers([payload]).map((n) => [n, redelivered] as const)))
                ),
                program.scope
              )
            }).pipe(Effect.provideContext(program.context))
            yield* TestClock.adjust("1 second")
            yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: process } }])
            yield* TestClock.adjust("1 second")
            // It is killed: what it would write at its end is not written.
            const left = store.stored()
            yield* program.stop
            store.put(Option.getOrThrow(left))
            yield* TestClock.adjust("10 seconds")
          }
          assert.deepStrictEqual(seen, [
            [[1, false]],
            [
              [1, true],
              [2, false]
            ],
            [
              [1, true],
              [2, true],
              [3, false]
            ]
          ])
        }).pipe(Effect.provide(SimulatedBot.discord({ replaysResumed })))
    )
  }

  it.effect("is told so after a crash, though a process between ended in peace before the replay came", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const seen: Array<ReadonlyArray<readonly [n: number, attempts: number]>> = []
      for (let process = 1; process <= 3; process++) {
        if (process === 2) yield* simulator.faults.inject(Fault.hello(Act.mute, { times: 1, when: "after" }))
        const program = yield* start(store.layer)
        const own: Array<readonly [n: number, attempts: number]> = []
        seen.push(own)
        yield* Effect.gen(function* () {
          const { deliveries } = yield* Gateway
          yield* Effect.forkIn(
            Stream.runForEach(deliveries, ({ ack, attempts, payload }) => {
              own.push(...numbers([payload]).map((n) => [n, attempts] as const))
              return payload.t === "MESSAGE_CREATE" ? Effect.void : ack
            }),
            program.scope
          )
        }).pipe(Effect.provideContext(program.context))
        yield* TestClock.adjust("1 second")
        if (process === 1) yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: 1 } }])
        yield* TestClock.adjust("1 second")
        const left = store.stored()
        const stopping = yield* Effect.forkChild(program.stop)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(stopping)
        if (process === 1) store.put(Option.getOrThrow(left))
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(seen, [[[1, 1]], [], [[1, 2]]])
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )

  for (const concurrency of [1, 8]) {
    it.effect(
      `sets aside the payload that ends each process, and nothing else, with ${concurrency} handler${concurrency === 1 ? "" : "s"} at once`,
      () =>
        Effect.gen(function* () {
          const simulator = yield* DiscordSimulator
          const store = makeStore()
          const letters: Array<number> = []
          const handled: Array<number> = []
          let lives = 0
          for (let isAlive = false; !isAlive && lives < 20; lives++) {
            const program = yield* start(store.layer)
            let isKilled = false
            yield* Effect.gen(function* () {
              const gateway = yield* Gateway
              const handler = (payload: Payload) =>
                Effect.suspend(() => {
                  const [n] = numbers([payload])
                  if (n === 13) {
                    isKilled = true
                    return Effect.never
                  }
                  if (n !== undefined) handled.push(n)
                  return Effect.void
                })
              yield* Effect.forkIn(
                gateway.runForEach(handler, {
                  concurrency,
                  maxAttempts: 5,
                  onFailure: { deadLetter: ({ payload }) => Effect.sync(() => letters.push(...numbers([payload]))) }
                }),
                program.scope
              )
            }).pipe(Effect.provideContext(program.context))
            yield* TestClock.adjust("100 millis")
            if (lives === 0) {
              yield* TestClock.adjust("1 second")
              yield* simulator.dispatchAll(Array.from({ length: 30 }, (_, n) => message(n)))
            }
            // It ends so soon that nothing is written beyond what must be.
            yield* TestClock.adjust("100 millis")
            isAlive = !isKilled
            const left = store.stored()
            if (isAlive) yield* TestClock.adjust("2 seconds")
            yield* program.stop
            if (!isAlive) store.put(Option.getOrThrow(left))
            yield* TestClock.adjust("10 seconds")
          }
          assert.deepStrictEqual(letters, [13])
          assert.isBelow(lives, 12)
          assert.sameMembers(
            [...new Set(handled)],
            Array.from({ length: 30 }, (_, n) => n).filter((n) => n !== 13)
          )
        }).pipe(Effect.provide(SimulatedBot.discord({ sessionTimeout: "1 hour" })))
    )
  }

  it.effect("handles a long replay quickly, though two processes died before they had come far with it", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const handled: Array<number> = []
      let writes = 0
      for (let process = 1; process <= 3; process++) {
        const program = yield* start(store.layer)
        yield* Effect.gen(function* () {
          const gateway = yield* Gateway
          const handler = (payload: Payload) =>
            process < 3 ? Effect.never : Effect.sync(() => handled.push(...numbers([payload])))
          yield* Effect.forkIn(gateway.runForEach(handler), program.scope)
        }).pipe(Effect.provideContext(program.context))
        yield* TestClock.adjust("1 second")
        const left = store.stored()
        if (process === 1) yield* simulator.dispatchAll(Array.from({ length: 3000 }, (_, n) => message(n)))
        writes = store.written.length
        yield* TestClock.adjust("1 second")
        if (process === 3) break
        // It is killed: what it would write at its end is not written.
        yield* program.stop
        store.put(Option.getOrThrow(left))
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(
        handled,
        Array.from({ length: 3000 }, (_, n) => n)
      )
      assert.isBelow(writes + store.written.length, 100)
    }).pipe(Effect.provide(SimulatedBot.discord({ sessionTimeout: "1 hour" })))
  )

  it.effect("finds the payload that ends each process, though it came behind the replay and others are slow", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const letters: Array<number> = []
      const handled = new Set<number>()
      let lives = 0
      for (let isAlive = false; !isAlive && lives < 20; lives++) {
        const program = yield* start(store.layer)
        let isKilled = false
        yield* Effect.gen(function* () {
          const gateway = yield* Gateway
          const handler = (payload: Payload) =>
            Effect.gen(function* () {
              const [n] = numbers([payload])
              if (n === 100) {
                isKilled = true
                return yield* Effect.never
              }
              // Its lane holds the mark, while all others go on.
              if (n === 0) yield* Effect.sleep("150 millis")
              if (n !== undefined) handled.add(n)
            })
          yield* Effect.forkIn(
            gateway.runForEach(handler, {
              concurrency: 8,
              key: ({ s }) => s ?? -1,
              maxAttempts: 5,
              onFailure: { deadLetter: ({ payload }) => Effect.sync(() => letters.push(...numbers([payload]))) }
            }),
            program.scope
          )
        }).pipe(Effect.provideContext(program.context))
        if (lives === 0) {
          yield* TestClock.adjust("2 seconds")
          yield* simulator.dispatchAll(Array.from({ length: 60 }, (_, n) => message(n)))
        }
        yield* TestClock.adjust("100 millis")
        if (lives === 1) yield* simulator.dispatchAll(Array.from({ length: 60 }, (_, n) => message(60 + n)))
        yield* TestClock.adjust("100 millis")
        isAlive = lives > 1 && !isKilled
        const left = store.stored()
        if (isAlive) yield* TestClock.adjust("2 seconds")
        yield* program.stop
        if (!isAlive) store.put(Option.getOrThrow(left))
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(letters, [100])
      assert.isBelow(lives, 20)
      assert.strictEqual(handled.size, 119)
    }).pipe(Effect.provide(SimulatedBot.discord({ sessionTimeout: "1 hour" })))
  )

  it.effect("acknowledges to Discord only what was handled", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const program = yield* start(store.layer)
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatchAll([message(1), message(2)])
      yield* TestClock.adjust("1 second")
      yield* simulator.requestHeartbeat()
      yield* TestClock.adjust("1 second")
      const beats = (yield* simulator.connections)[0]?.frames.filter(({ op }) => op === 1) ?? []
      assert.deepInclude(beats.at(-1)?.payload, { d: null }, "nobody has subscribed")
      yield* program.stop
    }).pipe(Effect.provide(SimulatedBot.discord({ heartbeatInterval: "10 minutes" })))
  )

  it.effect("identifies where the session was started with other intents, or at another Discord", () =>
    Effect.gen(function* () {
      const store = makeStore()
      const first = yield* start(store.layer, { intents: 1 })
      yield* TestClock.adjust("1 second")
      yield* first.stop
      yield* TestClock.adjust("10 seconds")
      const second = yield* start(store.layer, { intents: 513 })
      yield* TestClock.adjust("10 seconds")
      yield* second.stop
      const third = yield* start(store.layer, { intents: 513, apiUrl: "https://elsewhere.example/api" })
      yield* TestClock.adjust("20 seconds")
      yield* third.stop
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [2], [2]])
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )
})

describe("capabilities", () => {
  it.effect("are named in IDENTIFY, and a session that was started with others is not resumed", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const run = Effect.fnUntraced(function* (config: Partial<GatewayOptions>) {
        const program = yield* start(store.layer, config)
        yield* TestClock.adjust("10 seconds")
        yield* program.stop
      })
      yield* run({})
      yield* run({ capabilities: ["CHANNEL_OBFUSCATION"] })
      yield* run({ capabilities: 32_768 })
      yield* run({ capabilities: 0 })
      yield* run({})
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [2], [6], [2], [6]])
      assert.deepStrictEqual(
        (yield* simulator.sessions).map(({ capabilities }) => capabilities),
        [0, 32_768, 0]
      )
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )
})

describe("writes to the store", () => {
  it.effect("are few: 10,000 payloads in 10 s cause at most one a second", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const program = yield* start(store.layer)
      yield* Effect.provideContext(SimulatedBot.listen, program.context)
      yield* TestClock.adjust("1 second")
      const before = store.written.length
      for (let i = 0; i < 100; i++) {
        yield* simulator.dispatchAll(Array.from({ length: 100 }, (_, n) => message(i * 100 + n)))
        yield* TestClock.adjust("100 millis")
      }
      assert.isAtMost(store.written.length - before, 11)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(store.written.at(-1)?.sequence, 10_001)
      const idle = store.written.length
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(store.written.length, idle, "nothing new, nothing written")
      yield* program.stop
      assert.strictEqual(store.written.length, idle + 1)
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )

  it.effect("come as often as configured", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const store = makeStore()
      const program = yield* start(store.layer, { saveEvery: "1 minute" })
      yield* Effect.provideContext(SimulatedBot.listen, program.context)
      yield* TestClock.adjust("1 second")
      const before = store.written.length
      for (let n = 0; n < 100; n++) {
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n } }])
        yield* TestClock.adjust("3 seconds")
      }
      assert.isAtMost(store.written.length - before, 6)
      yield* program.stop
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )
})
