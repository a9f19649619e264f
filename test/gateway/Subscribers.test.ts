import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

type Seen = Array<string>

const numbersOf = (seen: ReadonlyArray<string>) => seen.map(Number)
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** A part of a program that keeps the names of guilds. */
const cache = (seen: Seen, pause = 0) =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* Effect.forkScoped(
      gateway.handle({
        GUILD_CREATE: ({ d }) =>
          Effect.andThen(
            Effect.sleep(pause),
            Effect.sync(() => seen.push(d.id))
          )
      })
    )
  })

/** A part of a program that answers messages, and subscribes only after it has opened something. */
const answers = (seen: Seen, opening: number) =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* Effect.sleep(opening)
    yield* Effect.forkScoped(gateway.handle({ MESSAGE_CREATE: ({ d }) => Effect.sync(() => seen.push(d.content)) }))
  })

describe("a program of several subscribers", () => {
  it.effect("has them all see everything when it connects after the last has subscribed", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const [guilds, messages]: [Seen, Seen] = [[], []]
      const Parts = Layer.mergeAll(Layer.effectDiscard(cache(guilds)), Layer.effectDiscard(answers(messages, 1500)))
      const Connected = Layer.effectDiscard(Gateway.use(({ connect }) => connect)).pipe(Layer.provide(Parts))
      yield* Effect.forkScoped(Layer.launch(Connected))
      yield* TestClock.adjust("1499 millis")
      assert.strictEqual((yield* simulator.counts).dials, 0)
      yield* TestClock.adjust("1 second")
      for (let n = 1; n <= 5; n++) yield* simulator.dispatch("MESSAGE_CREATE", { content: String(n) })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(guilds.length, 10)
      assert.deepStrictEqual(numbersOf(messages), range(1, 5))
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { connect: "manual" }, simulator: { guilds: 10 } })))
  )

  const process = (config: Partial<GatewayOptions> = {}) =>
    Gateway.layer.pipe(
      Layer.provide(Layer.fresh(SessionStore.layerPersisted)),
      Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...config }))
    )

  /** Runs a process on the stores of the context until `stop`. */
  const start = Effect.fnUntraced(function* <E, R>(
    config: Partial<GatewayOptions>,
    program: Effect.Effect<void, E, R | Gateway | Scope.Scope>
  ) {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(process(config), scope)
    yield* Effect.forkIn(Scope.provide(Effect.provideContext(program, context), scope), scope)
    return { stop: Scope.close(scope, Exit.void) }
  })

  it.effect("has them all see the replay of a resumed restart, though one of them comes 1.5 s after the other", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const { stop } = yield* start({}, cache([]))
      yield* TestClock.adjust("5 seconds")
      yield* stop
      for (let n = 1; n <= 73; n++) yield* simulator.dispatch("MESSAGE_CREATE", { content: String(n) })
      const messages: Seen = []
      yield* start(
        { connect: "manual" },
        Effect.gen(function* () {
          yield* cache([])
          yield* answers(messages, 1500)
          yield* Gateway.use(({ connect }) => connect)
        })
      )
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(numbersOf(messages), range(1, 73))
      assert.strictEqual((yield* simulator.counts).identifies, 1)
    }).pipe(
      Effect.provide(SimulatedBot.discord({ guilds: 3 }).pipe(Layer.provideMerge(Persistence.layerBackingMemory)))
    )
  )

  it.effect("gives what waited to the second of two streams that are read one after the other", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const guilds: Seen = []
      const program = Effect.gen(function* () {
        const ready = yield* Stream.runHead(gateway.on("READY"))
        yield* Effect.sleep("1500 millis")
        yield* Stream.runForEach(gateway.on("GUILD_CREATE"), ({ d }) => Effect.sync(() => guilds.push(d.id)))
        return ready
      })
      yield* Effect.forkScoped(program)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(guilds.length, 10)
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { guilds: 10 } })))
  )

  it.effect("that is stopped gets again what the slower one had not come to", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const [quick, slow]: [Seen, Seen] = [[], []]
      const subscriber = (seen: Seen, pause: number) =>
        Effect.gen(function* () {
          const gateway = yield* Gateway
          yield* Stream.runForEach(gateway.on("MESSAGE_CREATE"), ({ d }) =>
            Effect.andThen(
              Effect.sleep(pause),
              Effect.sync(() => seen.push(d.content))
            )
          ).pipe(Effect.forkScoped)
        })
      const program = Effect.andThen(subscriber(quick, 0), subscriber(slow, 1000))
      const { stop } = yield* start({}, program)
      yield* TestClock.adjust("2 seconds")
      for (let n = 1; n <= 40; n++) yield* simulator.dispatch("MESSAGE_CREATE", { content: String(n) })
      yield* TestClock.adjust("25500 millis")
      assert.deepStrictEqual(numbersOf(quick), range(1, 40))
      assert.isBelow(slow.length, 30)
      yield* stop
      yield* start({}, program)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual([...new Set(numbersOf(slow))], range(1, 40))
    }).pipe(Effect.provide(SimulatedBot.discord().pipe(Layer.provideMerge(Persistence.layerBackingMemory))))
  )

  it.effect("may stop before it has connected", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const { stop } = yield* start({ connect: "manual" }, cache([]))
      yield* TestClock.adjust("1 hour")
      yield* stop
      assert.strictEqual((yield* simulator.counts).dials, 0)
    }).pipe(Effect.provide(SimulatedBot.discord().pipe(Layer.provideMerge(Persistence.layerBackingMemory))))
  )
})
