import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway, type Gateway as GatewayService } from "../../src/gateway/Gateway.ts"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { momentOf, ShardLease, TimedLease } from "../../src/services/ShardLease.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** A lease of four seconds, which the test confirms. */
const arrange = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const lease = new TimedLease(clock, 4000)
  return { lease, confirm: () => lease.confirm(momentOf(clock)) }
})

const messages = (...ids: ReadonlyArray<string>) => ids.map((id) => ({ t: "MESSAGE_CREATE", d: { id } }))

/** The ways to be handed events, each of which takes a second for one. */
const consumers: Record<
  string,
  (gateway: GatewayService["Service"], seen: (id: string) => Effect.Effect<void>) => Effect.Effect<unknown, unknown>
> = {
  "a handler": (gateway, seen) => gateway.handle({ MESSAGE_CREATE: ({ d }) => seen(d.id) }),
  "handlers side by side": (gateway, seen) =>
    gateway.handle({ MESSAGE_CREATE: ({ d }) => seen(d.id) }, { concurrency: 2 }),
  "a stream of events": (gateway, seen) => Stream.runForEach(gateway.on("MESSAGE_CREATE"), ({ d }) => seen(d.id)),
  "a stream of deliveries": (gateway, seen) =>
    Stream.runForEach(gateway.deliveries, ({ ack, payload: { d, t } }) =>
      t === "MESSAGE_CREATE" && typeof d === "object" && d !== null && "id" in d
        ? Effect.andThen(seen(String(d.id)), ack)
        : ack
    )
}

describe("a process whose lease of a shard has run out", () => {
  for (const [name, consume] of Object.entries(consumers)) {
    it.effect(`hands nothing more to ${name} of what it has read, until the lease is confirmed`, () =>
      Effect.gen(function* () {
        const { confirm, lease } = yield* arrange
        const seen: Array<string> = []
        confirm()
        yield* Effect.gen(function* () {
          const simulator = yield* DiscordSimulator
          const gateway = yield* Gateway
          yield* Effect.forkScoped(
            consume(gateway, (id) =>
              Effect.andThen(
                Effect.sync(() => void seen.push(id)),
                Effect.sleep("1 second")
              )
            )
          )
          yield* TestClock.adjust("1 second")
          yield* simulator.dispatchAll(messages("1", "2", "3", "4", "5", "6", "7", "8"))
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual(seen, ["1", "2", "3"])
          yield* simulator.dispatchAll(messages("9"))
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual(seen, ["1", "2", "3"])
          for (let second = 0; second < 10; second++) {
            confirm()
            yield* TestClock.adjust("1 second")
          }
          assert.deepStrictEqual(seen, ["1", "2", "3", "4", "5", "6", "7", "8", "9"])
        }).pipe(Effect.provide(SimulatedBot.layer().pipe(Layer.provide(Layer.succeed(ShardLease, lease)))))
      })
    )
  }

  it.effect("tries no handler again", () =>
    Effect.gen(function* () {
      const { confirm, lease } = yield* arrange
      let tries = 0
      confirm()
      yield* Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const gateway = yield* Gateway
        const failing = Effect.suspend(() => {
          tries++
          return Effect.fail("not now")
        })
        yield* Effect.forkScoped(
          gateway.handle(
            { MESSAGE_CREATE: () => failing },
            { onFailure: { retry: Schedule.spaced("1 second"), deadLetter: () => Effect.void } }
          )
        )
        yield* TestClock.adjust("500 millis")
        yield* simulator.dispatchAll(messages("1"))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(tries, 4)
        confirm()
        yield* TestClock.adjust("500 millis")
        assert.strictEqual(tries, 5)
      }).pipe(Effect.provide(SimulatedBot.layer().pipe(Layer.provide(Layer.succeed(ShardLease, lease)))))
    })
  )

  it.effect("sends nothing", () =>
    Effect.gen(function* () {
      const { confirm, lease } = yield* arrange
      confirm()
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        yield* SimulatedBot.ready
        yield* TestClock.adjust("10 seconds")
        yield* Effect.forkScoped(gateway.send(SendEvent.requestSoundboardSounds({ guild_ids: ["1"] })))
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2]])
        confirm()
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2, 31]])
      }).pipe(Effect.provide(SimulatedBot.layer().pipe(Layer.provide(Layer.succeed(ShardLease, lease)))))
    })
  )

  it.effect("does not take its session back by a RESUME", () =>
    Effect.gen(function* () {
      const { confirm, lease } = yield* arrange
      confirm()
      yield* Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        yield* SimulatedBot.ready
        yield* TestClock.adjust("10 seconds")
        yield* simulator.close(4000)
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2]])
        confirm()
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6]])
      }).pipe(Effect.provide(SimulatedBot.layer().pipe(Layer.provide(Layer.succeed(ShardLease, lease)))))
    })
  )

  it.effect("does not identify", () =>
    Effect.gen(function* () {
      const { confirm, lease } = yield* arrange
      yield* Effect.gen(function* () {
        yield* SimulatedBot.ready
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [])
        confirm()
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2]])
      }).pipe(Effect.provide(SimulatedBot.layer().pipe(Layer.provide(Layer.succeed(ShardLease, lease)))))
    })
  )
})
