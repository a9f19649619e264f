import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const bot = (arrangement: SimulatedBot.Arrangement = {}) =>
  Layer.provideMerge(SimulatedBot.layer(arrangement), Layer.succeed(Metric.MetricRegistry, new Map()))

/** The number of dispatches of a name that were dropped before they were parsed. */
const dropped = (name: string) =>
  Effect.map(PrometheusMetrics.format(), (text) =>
    Number(
      new RegExp(`^discord_gateway_dropped_dispatches_total\\{event="${name}"\\} (\\d+)$`, "m").exec(text)?.[1] ?? 0
    )
  )

const dispatch = Effect.fnUntraced(function* (...names: ReadonlyArray<string>) {
  const simulator = yield* DiscordSimulator
  for (const name of names) yield* simulator.dispatch(name, {})
  yield* TestClock.adjust("1 second")
})

describe("a dispatch that nobody wants", () => {
  it.effect("is dropped by its name before it is parsed where handlers say what they want", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const seen: Array<string> = []
      yield* Effect.forkChild(
        gateway.handle({ MESSAGE_CREATE: ({ t }) => Effect.sync(() => seen.push(t)) }, { concurrency: 4 })
      )
      yield* TestClock.adjust("1 second")
      yield* dispatch("TYPING_START", "MESSAGE_CREATE", "TYPING_START")
      assert.deepStrictEqual(seen, ["MESSAGE_CREATE"])
      assert.strictEqual(yield* dropped("TYPING_START"), 2)
      const [status] = yield* gateway.shards
      assert.deepStrictEqual(status?.sequence, (yield* gateway.shards)[0]?.sequence)
    }).pipe(Effect.provide(bot()))
  )

  it.effect("is parsed as soon as somebody wants it", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      yield* Effect.forkChild(gateway.handle({ MESSAGE_CREATE: () => Effect.void }))
      yield* TestClock.adjust("1 second")
      yield* dispatch("TYPING_START")
      const seen: Array<string> = []
      yield* Effect.forkChild(gateway.handle({ TYPING_START: ({ t }) => Effect.sync(() => seen.push(t)) }))
      yield* TestClock.adjust("1 second")
      yield* dispatch("TYPING_START")
      assert.deepStrictEqual(seen, ["TYPING_START"])
      assert.strictEqual(yield* dropped("TYPING_START"), 1)
    }).pipe(Effect.provide(bot()))
  )

  it.effect("is dropped for a stream by name that has come back for more", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      yield* Effect.forkChild(Stream.runDrain(gateway.on("MESSAGE_CREATE")))
      yield* TestClock.adjust("1 second")
      yield* dispatch("MESSAGE_CREATE")
      yield* dispatch("TYPING_START", "TYPING_START")
      assert.strictEqual(yield* dropped("TYPING_START"), 2)
    }).pipe(Effect.provide(bot()))
  )

  it.effect("is not dropped for a stream that takes one and leaves the rest to the next", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const ready = yield* Effect.forkChild(Stream.runHead(gateway.on("READY")))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(ready)
      const guilds: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(gateway.on("GUILD_CREATE"), ({ d }) => Effect.sync(() => guilds.push(d.id)))
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(new Set(guilds).size, 10)
    }).pipe(Effect.provide(bot({ simulator: { guilds: 10 } })))
  )
})
