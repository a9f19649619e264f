import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const count = 10_000
const latency = 10

describe("10,000 payloads sent through reconnects", () => {
  it.effect(
    "each effect ends, none goes out before READY or RESUMED, limits and heartbeats are kept",
    () =>
      Effect.gen(function* () {
        const { gateway, simulator } = yield* SimulatedBot.ready
        const written = new Map<number, number>()
        yield* Effect.forkScoped(
          Effect.forEach(
            Array.from({ length: count }, (_, n) => n),
            (n) =>
              gateway.send(SendEvent.raw(43, { guild_id: "1", fields: ["status"], n })).pipe(
                Effect.andThen(Clock.currentTimeMillis),
                Effect.map((now) => void written.set(n, now))
              ),
            { concurrency: "unbounded", discard: true }
          )
        )
        const incidents = [
          simulator.reconnect(),
          simulator.close(4000),
          simulator.drop(),
          simulator.invalidateSession(true),
          simulator.invalidateSession(false)
        ] as const
        for (let minute = 0; written.size < count && minute < 300; minute++) {
          yield* incidents[minute % incidents.length] ?? Effect.void
          yield* TestClock.adjust("37 seconds")
        }
        assert.strictEqual(written.size, count, "each effect ended")
        yield* TestClock.adjust("10 seconds")

        const connections = yield* simulator.connections
        const arrived = connections.flatMap(({ frames }) =>
          frames.flatMap(({ op, payload }) => (op === 43 ? [(payload as { d: { n: number } }).d.n] : []))
        )
        assert.strictEqual(new Set(arrived).size, arrived.length, "none twice")
        // Payloads in flight are lost with the connection: Discord acknowledges none.
        const lost = [...written].filter(([n]) => !arrived.includes(n))
        for (const [n, at] of lost) {
          const isOnItsWay = connections.some(({ end }) => end !== undefined && Math.abs(end.at - at) <= 2 * latency)
          assert.isTrue(isOnItsWay, `${n} was written at ${at} and never arrived`)
        }
        assert.isBelow(lost.length, 100)

        for (const { end, frames, id } of connections) {
          assert.notInclude([4001, 4002, 4003, 4008], end?.by === "server" ? end.code : undefined, `connection ${id}`)
          const beats = frames.filter(({ op }) => op === 1).map(({ at }) => at)
          for (const [index, at] of beats.slice(1).entries()) assert.isAtMost(at - (beats[index] ?? 0), 40_001)
        }
        assert.strictEqual((yield* simulator.counts).identifyViolations, 0)
      }).pipe(
        Effect.provide(SimulatedBot.layer({ config: { sendQueue: count } })),
        Effect.provideService(References.MinimumLogLevel, "None")
      ),
    60_000
  )
})
