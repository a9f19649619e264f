import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Instances from "../../owner/Instances.ts"

const served = Effect.provide(DiscordSimulator.serve({ history: 1_000_000 }))

const numbersIn = (stdout: string) => Instances.handledIn(stdout).map(({ n }) => n)

for (const place of Instances.stores) {
  describe.skipIf(!place.isThere)(`instances that share sessions in ${place.store}`, () => {
    it.live("hand over ten times to the one that was started first: no event twice, none lost, no IDENTIFY", () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const instances = yield* Instances.make(place)
        let current = yield* instances.start
        yield* current.says("READY")
        const ended = yield* Instances.load
        const handled: Array<number> = []
        const times: Array<number> = []
        for (let deploy = 0; deploy < 10; deploy++) {
          const next = yield* instances.start
          yield* next.says(`process ${current.pid} on`)
          const before = numbersIn(current.stdout).length
          yield* current.until(
            ({ stdout }) => numbersIn(stdout).length > before + 20,
            "handle messages beside the one that waits"
          )
          assert.strictEqual(next.stdout, "")
          const [took] = yield* Effect.timed(
            Effect.andThen(
              current.signal("SIGTERM"),
              next.until(({ stdout }) => numbersIn(stdout).length > 0, "handle a message")
            )
          )
          times.push(Math.round(Duration.toMillis(took)))
          handled.push(...numbersIn((yield* current.ending).stdout))
          current = next
        }
        const dispatched = yield* ended
        yield* current.until(({ stdout }) => numbersIn(stdout).includes(dispatched - 1), "handle the last message")
        handled.push(...numbersIn((yield* current.end("SIGTERM")).stdout))
        assert.deepStrictEqual(
          handled,
          Array.from({ length: dispatched }, (_, n) => n)
        )
        assert.strictEqual((yield* simulator.counts).identifies, 1)
        const median = times.toSorted((a, b) => a - b)[5] ?? Infinity
        process.stdout.write(
          `${place.store}: ${dispatched} events, ten hand-overs of ${times.join(", ")} ms, median ${median}\n`
        )
      }).pipe(served)
    )

    it.live("take over by a RESUME from one that is killed, and lose nothing", () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const lease = Duration.seconds(5)
        const instances = yield* Instances.make(place, lease)
        const first = yield* instances.start
        yield* first.says("READY")
        const ended = yield* Instances.load
        yield* first.until(({ stdout }) => numbersIn(stdout).length > 500, "handle messages")
        const second = yield* instances.start
        yield* second.says(`process ${first.pid} on`)
        const [took] = yield* Effect.timed(
          Effect.andThen(
            first.signal("SIGKILL"),
            second.until(({ stdout }) => numbersIn(stdout).length > 50, "handle messages")
          )
        )
        const before = numbersIn((yield* first.ending).stdout)
        const dispatched = yield* ended
        yield* second.until(({ stdout }) => numbersIn(stdout).includes(dispatched - 1), "handle the last message")
        const after = numbersIn((yield* second.end("SIGTERM")).stdout)
        const handled = new Set([...before, ...after])
        process.stdout.write(
          `${place.store}: taken over ${Math.round(Duration.toMillis(took))} ms after SIGKILL with a lease of ` +
            `${Duration.format(lease)}, ${dispatched - handled.size} of ${dispatched} events lost, ` +
            `${before.length + after.length - handled.size} twice\n`
        )
        assert.strictEqual(handled.size, dispatched)
        assert.strictEqual((yield* simulator.counts).identifies, 1)
      }).pipe(served)
    )

    it.live("keep what the new owner has stored, and handle each event once, when a paused owner goes on", () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const instances = yield* Instances.make(place, Duration.seconds(3))
        const paused = yield* instances.start
        yield* paused.says("READY")
        const endedAtFirst = yield* Instances.load
        yield* paused.until(({ stdout }) => numbersIn(stdout).length > 200, "handle messages")
        const next = yield* instances.start
        yield* next.says(`process ${paused.pid} on`)
        // With nothing in hand: a handler that has begun before a pause ends after it, and nobody can take that back.
        const atFirst = yield* endedAtFirst
        yield* paused.until(({ stdout }) => numbersIn(stdout).includes(atFirst - 1), "handle all messages")
        yield* paused.signal("SIGSTOP")
        const ended = yield* Instances.loadFrom(atFirst)
        yield* next.until(({ stdout }) => numbersIn(stdout).length > 500, "handle messages")
        yield* paused.signal("SIGCONT")
        const { code, stderr, stdout } = yield* paused.ending
        assert.strictEqual(code, 1)
        assert.include(stderr, `taken over by another instance (process ${next.pid} on`)
        const ofPaused = Instances.handledIn(stdout)
        const takenOverAt = Instances.handledIn(next.stdout)[0]?.at ?? 0
        const late = ofPaused.filter(({ at }) => at > takenOverAt)
        assert.deepStrictEqual(late, [], "handled by an owner that was followed")

        const before = numbersIn(next.stdout).length
        yield* next.until(({ stdout }) => numbersIn(stdout).length > before + 100, "handle messages after that")
        const last = yield* instances.start
        yield* last.says(`process ${next.pid} on`)
        const ofNext = numbersIn((yield* next.end("SIGTERM")).stdout)
        const dispatched = yield* ended
        yield* last.until(({ stdout }) => numbersIn(stdout).includes(dispatched - 1), "handle the last message")
        const ofLast = numbersIn((yield* last.end("SIGTERM")).stdout)
        // A session that the paused one had written over it would have brought these events once again.
        assert.deepStrictEqual(
          ofLast.filter((n) => ofNext.includes(n)),
          []
        )
        const handled = new Set([...ofPaused.map(({ n }) => n), ...ofNext, ...ofLast])
        process.stdout.write(
          `${place.store}: ${late.length} events handled by the paused one after it was followed, ` +
            `${dispatched - handled.size} of ${dispatched} lost\n`
        )
        assert.strictEqual(handled.size, dispatched)
        assert.strictEqual((yield* simulator.counts).identifies, 1)
      }).pipe(served)
    )
  })
}
