import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { WebSocketConstructor } from "effect/socket/Socket"
import { TestClock } from "effect/testing"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import type { ConnectionRecord } from "../../src/simulator/Observations.ts"
import * as SkewedClock from "../simulation/SkewedClock.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** The most frames that a connection got in 60 seconds. */
const mostInAMinute = ({ frames }: ConnectionRecord): number =>
  Math.max(...frames.map(({ at }, index) => frames.slice(index).filter((later) => later.at < at + 60_000).length), 0)

const numbered = (n: number) => SendEvent.raw(43, { guild_id: "1", fields: ["status"], n })

const sendMany = (count: number) =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    return yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: count }), (_, n) => gateway.send(numbered(n)), {
        concurrency: "unbounded",
        discard: true
      })
    )
  })

/** A bot on a clock whose wall time can be set; Discord's own goes on as ever. */
const onSkewedClock = <A, E>(
  { config, simulator }: SimulatedBot.Arrangement,
  run: (
    clock: SkewedClock.SkewedClock,
    adjust: TestClock.TestClock["adjust"]
  ) => Effect.Effect<A, E, Gateway | DiscordSimulator | Scope.Scope>
) =>
  Effect.gen(function* () {
    const testClock = yield* TestClock.testClockWith(Effect.succeed)
    const clock = SkewedClock.make(testClock)
    return yield* run(clock, testClock.adjust).pipe(
      Effect.provide(SimulatedBot.gateway(config)),
      Effect.scoped,
      Effect.provideService(Clock.Clock, clock)
    )
  }).pipe(Effect.provide(SimulatedBot.discord(simulator)))

describe("a flood of requests for heartbeats", () => {
  it.effect(
    "is answered within the limit of 120 frames a minute, and neither closes the connection nor stops sends",
    () =>
      Effect.gen(function* () {
        const { simulator } = yield* SimulatedBot.ready
        const sending = yield* sendMany(200)
        for (let second = 0; second < 240; second++) {
          for (let n = 0; n < 100; n++) yield* simulator.requestHeartbeat()
          yield* TestClock.adjust("1 second")
        }
        yield* Fiber.join(sending)
        const [connection, ...others] = yield* simulator.connections
        assert.deepStrictEqual(others, [])
        assert.isUndefined(connection?.end)
        assert.isAtMost(connection === undefined ? Infinity : mostInAMinute(connection), 120)
        assert.isAbove((yield* simulator.counts).heartbeats, 100, "it is answered, as far as the limit goes")
      }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("does not take the room of the next heartbeat, however many sends there are", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* Effect.forEach([1, 2, 3], () => sendMany(300))
      for (let second = 0; second < 300; second++) {
        yield* simulator.requestHeartbeat()
        yield* simulator.requestHeartbeat()
        yield* TestClock.adjust("1 second")
      }
      assert.notInclude(watcher.tags(), "Disconnected")
      const [connection] = yield* simulator.connections
      assert.isAtMost(connection === undefined ? Infinity : mostInAMinute(connection), 120)
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { heartbeatInterval: "5 seconds" } })))
  )

  it.effect("that is none is answered at once, each time", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const before = (yield* simulator.counts).heartbeats
      for (let n = 0; n < 4; n++) {
        yield* simulator.requestHeartbeat()
        yield* TestClock.adjust("20 millis")
      }
      assert.strictEqual((yield* simulator.counts).heartbeats - before, 4)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("with heartbeats due several times a second keeps to the limit, too", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("5 minutes")
      for (const connection of yield* simulator.connections) assert.isAtMost(mostInAMinute(connection), 120)
    }).pipe(
      Effect.provide(SimulatedBot.layer({ simulator: { heartbeatInterval: "200 millis", heartbeatTimeout: false } }))
    )
  )
})

describe("setting the computer's clock", () => {
  it.effect("back by an hour holds up no send", () =>
    onSkewedClock({}, (clock, adjust) =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        yield* adjust("1 second")
        const before = yield* sendMany(113)
        yield* adjust("1 second")
        const after = yield* sendMany(5)
        clock.jump(-3_600_000)
        yield* adjust("63 seconds")
        assert.isDefined(before.pollUnsafe())
        assert.isDefined(after.pollUnsafe())
        assert.isUndefined((yield* simulator.connections)[0]?.end)
      })
    )
  )

  it.effect("forward again and again sends no more than the limit allows", () =>
    onSkewedClock({}, (clock, adjust) =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        yield* sendMany(500)
        for (let n = 0; n < 12; n++) {
          yield* adjust("4 seconds")
          clock.jump(7000)
        }
        const connections = yield* simulator.connections
        for (const connection of connections) assert.isAtMost(connection.frames.length, 120)
        assert.deepStrictEqual(
          connections.map(({ end }) => end),
          [undefined]
        )
      })
    )
  )

  it.effect("back again and again delays no IDENTIFY", () =>
    onSkewedClock({ config: { reconnect: Schedule.spaced("100 millis") } }, (clock, adjust) =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        yield* simulator.faults.inject(Fault.identify(Act.close(4009)))
        for (let n = 0; n < 50; n++) {
          yield* adjust("6 seconds")
          clock.jump(-60_000)
        }
        const { identifies, identifyViolations } = yield* simulator.counts
        assert.isAtLeast(identifies, 45)
        assert.strictEqual(identifyViolations, 0)
      })
    )
  )

  it.effect("back while the budget is used up does not make the wait longer", () =>
    onSkewedClock(
      { simulator: { sessionStartLimit: { total: 10, remaining: 0, resetAfter: "1 hour" } } },
      (clock, adjust) =>
        Effect.gen(function* () {
          const { tags } = yield* SimulatedBot.watch
          yield* adjust("1 second")
          clock.jump(-86_400_000)
          yield* adjust("61 minutes")
          assert.strictEqual(tags().at(-1), "Ready")
        })
    )
  )

  it.effect("forward hides no zombie", () =>
    onSkewedClock({}, (clock, adjust) =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const { events } = yield* SimulatedBot.watch
        yield* adjust("1 minute")
        yield* simulator.mute()
        for (let n = 0; n < 9; n++) {
          yield* adjust("10 seconds")
          clock.jump(1000)
        }
        const reasons = events.flatMap((event) => (event._tag === "Disconnected" ? [event.reason._tag] : []))
        assert.deepStrictEqual(reasons, ["HeartbeatTimeout"])
      })
    )
  )
})

describe("a peer that takes nothing", () => {
  it.effect("is given up once over 1 MiB waits in the socket, and the session resumed", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      waiting = 1024 * 1024 + 1
      yield* TestClock.adjust("20 seconds")
      assert.deepInclude(
        watcher.events.flatMap((event) => (event._tag === "Disconnected" ? [event.reason] : [])).at(0),
        { _tag: "SendStalled", buffered: waiting }
      )
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
      const [stalled] = yield* simulator.connections
      assert.deepInclude(stalled?.end, { by: "client" })
    }).pipe(
      Effect.provide(
        SimulatedBot.gateway().pipe(Layer.provideMerge(stalling), Layer.provideMerge(SimulatedBot.discord()))
      )
    )
  )
})

/** Bytes that wait in the first socket. */
let waiting = 0
let sockets = 0
const stalling = Layer.effect(
  WebSocketConstructor,
  Effect.map(WebSocketConstructor, (construct) => (url: string) => {
    const ws = construct(url)
    const isFirst = sockets++ === 0
    Object.defineProperty(ws, "bufferedAmount", { get: () => (isFirst ? waiting : 0) })
    return ws
  })
)
