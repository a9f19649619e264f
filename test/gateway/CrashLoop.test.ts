import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway, GatewayLive } from "../../src/gateway/Gateway.ts"
import { describeShardEvent, type ShardEvent } from "../../src/schema/ShardEvent.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import * as IdentifyStore from "../../src/services/IdentifyStore.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import type { MemoryOptions } from "../../src/simulator/SimulatorOptions.ts"

/** Stores that outlive the processes of a test: the times of IDENTIFYs alone, or with sessions beside them. */
const kept = Effect.gen(function* () {
  const context = yield* Layer.build(Persistence.layerBackingMemory)
  const backing = Context.get(context, Persistence.BackingPersistence)
  return {
    times: Layer.succeed(IdentifyStore.IdentifyStore, yield* IdentifyStore.makePersisted(backing)),
    sessions: SessionStore.layerPersisted.pipe(Layer.provide(Layer.succeed(Persistence.BackingPersistence, backing)))
  }
})

type Kept = Effect.Success<typeof kept>[keyof Effect.Success<typeof kept>]

const crash = Effect.fail("the bot's code is broken")

/** One process: starts a bot, and does something a while later. What it saw goes into `seen`. */
const process = <E>(
  store: Kept,
  seen: Array<ShardEvent>,
  options: { readonly end: Effect.Effect<void, E>; readonly config?: Partial<GatewayOptions> }
) =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* Effect.forkScoped(Stream.runForEach(gateway.changes, (event) => Effect.sync(() => void seen.push(event))))
    yield* Effect.forkScoped(Stream.runDrain(gateway.payloads))
    yield* Effect.sleep("10 seconds")
    yield* options.end
  }).pipe(
    Effect.scoped,
    Effect.provide(
      GatewayLive.pipe(
        Layer.provide(store),
        Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...options.config })),
        Layer.fresh
      )
    )
  )

/** So many processes, started every 18 seconds, as a supervisor does. */
const loop = Effect.fnUntraced(function* (
  starts: number,
  store: Kept,
  options: { readonly end: Effect.Effect<void, string>; readonly config?: Partial<GatewayOptions> }
) {
  const simulator = yield* DiscordSimulator
  const seen: Array<ShardEvent> = []
  const running = yield* Effect.forkChild(
    Effect.repeat(Effect.andThen(Effect.exit(process(store, seen, options)), Effect.sleep("8 seconds")), {
      times: starts - 1
    })
  )
  yield* TestClock.adjust(Duration.seconds(18 * starts))
  yield* Fiber.interrupt(running)
  return {
    counts: yield* simulator.counts,
    slowed: seen.flatMap((event) => (event._tag === "CrashLoopSlowed" ? [event] : [])),
    seen
  }
})

/** Lets time pass second by second, so that what begins within it has its own. */
const pass = (seconds: number) => Effect.repeat(TestClock.adjust("1 second"), { times: seconds - 1 })

const discord = (options: MemoryOptions = {}) => Effect.provide(DiscordSimulator.layerWith(options))

describe("200 crashes at start in an hour", () => {
  it.effect("cost a few IDENTIFYs, ever more slowly, and never the token", () =>
    Effect.gen(function* () {
      const { counts, slowed } = yield* loop(200, (yield* kept).times, { end: crash })
      assert.isAtMost(counts.identifies, 30)
      assert.isAtLeast(counts.identifies, 12)
      assert.strictEqual(counts.overruns, 0)
      assert.strictEqual(counts.identifyViolations, 0)
      const [first] = slowed
      assert.strictEqual(first?.starts, 11)
      assert.isAbove(slowed.at(-1)?.starts ?? 0, 15)
      assert.match(
        first === undefined ? "" : describeShardEvent(first),
        /started 11 times in a row without a good end.*waiting \d.*store of sessions/
      )
    }).pipe(discord())
  )

  it.effect("cost 200 where nothing is kept", () =>
    Effect.gen(function* () {
      const config = { keepIdentifies: false }
      const { counts, slowed } = yield* loop(200, (yield* kept).times, { end: crash, config })
      assert.strictEqual(counts.identifies, 200)
      assert.deepStrictEqual(slowed, [])
    }).pipe(discord())
  )

  it.effect("leave the reserve untouched where little is left of the day", () =>
    Effect.gen(function* () {
      const { counts } = yield* loop(200, (yield* kept).times, { end: crash })
      assert.strictEqual(counts.overruns, 0)
      assert.isAtMost(counts.identifies, 10)
    }).pipe(discord({ sessionStartLimit: { total: 1000, remaining: 20 } }))
  )

  it.effect("cost one IDENTIFY with a store of sessions", () =>
    Effect.gen(function* () {
      const { counts, slowed } = yield* loop(200, (yield* kept).sessions, { end: crash })
      assert.strictEqual(counts.identifies, 1)
      assert.strictEqual(counts.resumes, 199)
      assert.deepStrictEqual(slowed, [])
    }).pipe(discord())
  )
})

describe("starts that end in peace", () => {
  it.effect("are not slowed, however many there are", () =>
    Effect.gen(function* () {
      const { counts, slowed } = yield* loop(60, (yield* kept).times, { end: Effect.interrupt })
      assert.strictEqual(counts.identifies, 60)
      assert.deepStrictEqual(slowed, [])
    }).pipe(discord())
  )
})

describe("the pace of IDENTIFYs", () => {
  it.effect("holds over a restart: 5 s a bucket, without an op 9 to tell", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const { times } = yield* kept
      const seen: Array<ShardEvent> = []
      const running = yield* Effect.forkChild(
        Effect.andThen(
          Effect.ignore(Effect.timeout(process(times, seen, { end: Effect.void }), "3 seconds")),
          process(times, seen, { end: Effect.void })
        )
      )
      yield* pass(20)
      yield* Fiber.join(running)
      const { identifies, identifyViolations } = yield* simulator.counts
      assert.deepStrictEqual({ identifies, identifyViolations }, { identifies: 2, identifyViolations: 0 })
      assert.include(
        seen.map(({ _tag }) => _tag),
        "IdentifyQueued"
      )
    }).pipe(discord())
  )

  it.effect("is that of each bucket", () =>
    Effect.gen(function* () {
      const { times } = yield* kept
      const seen: Array<ShardEvent> = []
      const config = { shards: 4 }
      const running = yield* Effect.forkChild(
        Effect.andThen(
          Effect.ignore(Effect.timeout(process(times, seen, { end: Effect.void, config }), "4 seconds")),
          process(times, seen, { end: Effect.void, config })
        )
      )
      yield* pass(20)
      yield* Fiber.join(running)
      const { identifies, identifyViolations } = yield* (yield* DiscordSimulator).counts
      assert.deepStrictEqual({ identifies, identifyViolations }, { identifies: 8, identifyViolations: 0 })
    }).pipe(discord({ maxConcurrency: 4 }))
  )
})

describe("a store of times", () => {
  it.effect("that fails or hangs ends no start, and what it has of another shape counts as none", () =>
    Effect.gen(function* () {
      const broken = { message: "the disk is full" }
      const context = yield* Layer.build(Persistence.layerBackingMemory)
      const backing = Context.get(context, Persistence.BackingPersistence)
      const store = yield* backing.make("disruption-gateway_identifies")
      yield* store.set("0/1", { times: "yesterday" }, undefined)
      for (const times of [
        { load: () => Effect.fail(broken), save: () => Effect.fail(broken) },
        { load: () => Effect.never, save: () => Effect.never },
        yield* IdentifyStore.makePersisted(backing)
      ]) {
        const seen: Array<ShardEvent> = []
        const layer = Layer.succeed(IdentifyStore.IdentifyStore, times)
        const running = yield* Effect.forkChild(process(layer, seen, { end: Effect.void }))
        yield* pass(60)
        yield* Fiber.join(running)
        assert.include(
          seen.map(({ _tag }) => _tag),
          "Ready"
        )
      }
    }).pipe(discord())
  )
})
