import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { closeCodes } from "../../src/schema/CloseCode.ts"
import type { GatewayError } from "../../src/schema/GatewayError.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const errorOf = (exit: Exit.Exit<void, GatewayError>): GatewayError =>
  Option.getOrThrow(Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none())

// The expectations are PROTOCOL.md's, not those of the table under test.
const fatal = {
  4004: { tag: "AuthenticationFailed", says: "DISCORD_TOKEN" },
  4010: { tag: "InvalidShard", says: "DISCORD_SHARDS" },
  4011: { tag: "ShardingRequired", says: "DISCORD_SHARDS" },
  4012: { tag: "InvalidApiVersion", says: "Update disruption-gateway" },
  4013: { tag: "InvalidIntents", says: "DISCORD_INTENTS" },
  4014: { tag: "DisallowedIntents", says: "GUILD_MEMBERS, MESSAGE_CONTENT" }
} as const
const identifying = [4003, 4007, 4009]
const resuming = [4000, 4001, 4002, 4005, 4008, 1000, 1001, 1011, 3050, 4006, 4099, 4999]

const arrangement = SimulatedBot.layer({ config: { intents: ["GUILDS", "GUILD_MEMBERS", "MESSAGE_CONTENT"] } })

describe("close codes", () => {
  it("are all spoken for", () => {
    const expected = [...Object.keys(fatal).map(Number), ...identifying, ...resuming]
    assert.deepStrictEqual(
      closeCodes.map(({ code }) => code).filter((code) => !expected.includes(code)),
      []
    )
  })

  for (const [code, { says, tag }] of Object.entries(fatal)) {
    it.effect(
      `${code} in mid-life ends the stream with ${tag}, after what came before, and nothing is dialled again`,
      () =>
        Effect.gen(function* () {
          const { gateway, listener, simulator, watcher } = yield* SimulatedBot.ready
          yield* simulator.dispatch("GUILD_CREATE", {})
          yield* simulator.close(Number(code))
          yield* TestClock.adjust("1 hour")

          assert.deepStrictEqual(
            listener.dispatches().map(({ t }) => t),
            ["READY", "GUILD_CREATE"]
          )
          const error = errorOf(yield* listener.exit)
          assert.strictEqual(error.reason._tag, tag)
          assert.include(error.message, says)
          assert.strictEqual(error.shard, 0)
          assert.strictEqual(error.recovery, "fatal")
          assert.strictEqual((yield* simulator.counts).dials, 1)
          assert.strictEqual(watcher.tags().at(-1), "Stopped")
          assert.strictEqual((yield* gateway.shards)[0]?.state, "stopped")

          const late = yield* Effect.exit(Stream.runDrain(gateway.payloads))
          assert.strictEqual(errorOf(late).reason._tag, tag, "who subscribes later learns it, too")
        }).pipe(Effect.provide(arrangement))
    )

    it.effect(`${code} at the first connect ends the stream with ${tag}`, () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        yield* simulator.faults.inject(Fault.identify(Act.close(Number(code))))
        const { listener } = yield* SimulatedBot.ready
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(errorOf(yield* listener.exit).reason._tag, tag)
        assert.strictEqual((yield* simulator.counts).dials, 1)
      }).pipe(Effect.provide(arrangement))
    )
  }

  for (const code of identifying) {
    it.effect(`${code} identifies anew on the main URL`, () =>
      Effect.gen(function* () {
        const { listener, simulator, watcher } = yield* SimulatedBot.ready
        yield* TestClock.adjust("1 minute")
        yield* simulator.close(code)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [2]])
        assert.strictEqual((yield* simulator.connections)[1]?.host, "main")
        assert.include(watcher.tags(), "SessionDropped")
        assert.deepStrictEqual(
          listener.dispatches().map(({ t }) => t),
          ["READY", "READY"]
        )
      }).pipe(Effect.provide(arrangement))
    )
  }

  for (const code of resuming) {
    it.effect(`${code} resumes`, () =>
      Effect.gen(function* () {
        const { simulator, watcher } = yield* SimulatedBot.ready
        yield* TestClock.adjust("1 minute")
        yield* simulator.close(code)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual((yield* SimulatedBot.handshakes).slice(0, 2), [[2], [6]])
        const lost = watcher.events.find(({ _tag }) => _tag === "Disconnected")
        assert.deepInclude(lost?._tag === "Disconnected" ? lost.reason : {}, { _tag: "ConnectionClosed", code })
      }).pipe(Effect.provide(arrangement))
    )
  }

  it.effect("can be caught by their reason", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = yield* Gateway
      yield* simulator.faults.inject(Fault.identify(Act.close(4014)))
      const caught = yield* Effect.forkChild(
        Stream.runDrain(gateway.payloads).pipe(
          Effect.catchReason("GatewayError", "DisallowedIntents", (reason) => Effect.succeed(reason.intents))
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(caught.pollUnsafe(), Exit.succeed(1 | 2 | (1 << 15)))
    }).pipe(Effect.provide(arrangement))
  )

  it.effect("come without the token, even if Discord says it", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.close(4000, { reason: "no such token: simulated-token" })
      yield* TestClock.adjust("1 second")
      const lost = watcher.events.find(({ _tag }) => _tag === "Disconnected")
      assert.include(lost?._tag === "Disconnected" ? lost.reason.message : "", "no such token: <redacted>")
    }).pipe(Effect.provide(arrangement))
  )
})
