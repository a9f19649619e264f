import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import type { ShardEvent } from "../../src/schema/ShardEvent.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const heartbeats = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const connections = yield* simulator.connections
  return connections.map(({ frames }) =>
    frames.filter(({ op }) => op === 1).map(({ at, payload }) => ({ at, d: (payload as { d: unknown }).d }))
  )
})

/** Every random number is the middle. */
const inTheMiddle = Effect.provideService(Random.Random, {
  nextDoubleUnsafe: () => 0.5,
  nextIntUnsafe: () => 0
})

describe("a bot that connects", () => {
  it.effect("asks where, identifies, and hands over HELLO, READY and what is dispatched, raw and in order", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* TestClock.adjust("1 second")

      assert.deepStrictEqual(
        listener.payloads.map(({ op, s, shard, t }) => [op, t, s, shard]),
        [
          [10, null, null, 0],
          [0, "READY", 1, 0],
          [0, "MESSAGE_CREATE", 2, 0]
        ]
      )
      assert.deepStrictEqual(listener.payloads[2]?.d, { content: "hello" })
      assert.deepStrictEqual(watcher.tags(), ["Connecting", "Greeted", "Identifying", "Ready"])

      const [connection] = yield* simulator.connections
      assert.strictEqual(connection?.url, "wss://gateway.discord.gg/?v=10&encoding=json")
      assert.deepStrictEqual(connection?.frames[0]?.payload, {
        op: 2,
        d: {
          token: "<token>",
          intents: 513,
          properties: { os: "linux", browser: "disruption-gateway", device: "disruption-gateway" },
          shard: [0, 1],
          presence: { status: "idle", activities: [], afk: false, since: null },
          large_threshold: 100
        }
      })

      const session = Option.getOrThrow(yield* gateway.session())
      assert.strictEqual(session.sequence, 2)
      assert.strictEqual(session.id, connection?.sessionId)
      const [status] = yield* gateway.shards
      assert.strictEqual(status?.state, "ready")
      assert.deepStrictEqual(status?.sequence, Option.some(2))
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({
          config: {
            intents: "GUILDS,GUILD_MESSAGES",
            largeThreshold: 100,
            presence: { status: PresenceUpdateStatus.Idle, activities: [], afk: false, since: null }
          }
        })
      ),
      inTheMiddle
    )
  )

  it.effect("connects to the gatewayUrl that it is given without asking", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      assert.include(watcher.tags(), "Ready")
      assert.strictEqual((yield* simulator.counts).httpRequests, 0)
      const [connection] = yield* simulator.connections
      assert.strictEqual(connection?.url, "wss://gateway.discord.gg/?v=10&encoding=json")
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { gatewayUrl: "wss://gateway.discord.gg" } })))
  )

  it.effect("comes to READY where it takes longer than the limit, at the cost of few IDENTIFYs", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Fault.late("20 minutes")))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("49 minutes")
      assert.notInclude(watcher.tags(), "Ready")
      yield* TestClock.adjust("3 minutes")
      assert.include(watcher.tags(), "Ready")
      assert.strictEqual((yield* simulator.counts).identifies, 3)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("gives up a connection on which no HELLO comes, and a dial that is not answered", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.dial("ignore", { times: 1 }), Fault.hello(Act.mute, { times: 1 }))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("30 seconds")
      const reasons = watcher.events.flatMap((event) => (event._tag === "Disconnected" ? [event.reason._tag] : []))
      assert.deepStrictEqual(reasons, ["OpenFailed", "HelloTimeout"])
      assert.strictEqual(watcher.tags().at(-1), "Ready")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("heartbeats", () => {
  it.effect("go out after a random part of the interval and then every interval, with the last sequence", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("60 seconds")
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("40 seconds")
      // HELLO arrives after 40 ms, a frame travels 10 ms.
      assert.deepStrictEqual(yield* heartbeats, [
        [
          { at: 20_050, d: 1 },
          { at: 60_050, d: 1 },
          { at: 100_050, d: 2 }
        ]
      ])
    }).pipe(Effect.provide(SimulatedBot.layer()), inTheMiddle)
  )

  it.effect("carry null before the first sequence", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Fault.late("10 minutes")))
      yield* SimulatedBot.ready
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* heartbeats, [[{ at: 20_050, d: null }]])
    }).pipe(Effect.provide(SimulatedBot.layer()), inTheMiddle)
  )

  it.effect("tell the latency", () =>
    Effect.gen(function* () {
      const { gateway } = yield* SimulatedBot.ready
      assert.deepStrictEqual((yield* gateway.shards)[0]?.latency, Option.none())
      yield* TestClock.adjust("30 seconds")
      const [status] = yield* gateway.shards
      assert.strictEqual(Duration.toMillis(Option.getOrThrow(status?.latency ?? Option.none())), 20)
    }).pipe(Effect.provide(SimulatedBot.layer()), inTheMiddle)
  )

  it.effect("answer op 1 at once, whatever the timer says, also while an acknowledgement is outstanding", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.requestHeartbeat()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* heartbeats, [[{ at: 1020, d: 1 }]])

      // The heartbeat of 20.04 s is not acknowledged before Discord asks for another one.
      const late = Fault.heartbeat(Fault.late("10 seconds"), { times: 1 })
      yield* simulator.faults.inject(late)
      yield* TestClock.adjust("20 seconds")
      yield* simulator.requestHeartbeat()
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(
        (yield* heartbeats)[0]?.map(({ at }) => at),
        [1020, 20_050, 22_020]
      )
      assert.notInclude(watcher.tags(), "Disconnected")
    }).pipe(Effect.provide(SimulatedBot.layer()), inTheMiddle)
  )

  it.effect(
    "find a dead peer with the TCP connection open, and resume at once without waiting for its close frame",
    () =>
      Effect.gen(function* () {
        const { simulator, watcher } = yield* SimulatedBot.ready
        yield* simulator.mute()
        yield* simulator.dispatch("MESSAGE_CREATE", { content: "while it was deaf" })
        // Beats at 20.04 s; not acknowledged at 60.04 s: the verdict.
        yield* TestClock.adjust("58 seconds")
        assert.notInclude(watcher.tags(), "Disconnected")
        yield* TestClock.adjust("2 seconds")
        const verdict = watcher.events.find(({ _tag }) => _tag === "Disconnected")
        assert.strictEqual(SimulatedBot.timeOf(verdict), 60_040)
        assert.strictEqual(verdict?._tag === "Disconnected" && verdict.reason._tag, "HeartbeatTimeout")
        const resumed = watcher.events.find(({ _tag }) => _tag === "Resumed")
        assert.isDefined(resumed)
        assert.isBelow((SimulatedBot.timeOf(resumed) ?? Infinity) - 60_040, 1000)
        const [first, second] = yield* simulator.connections
        assert.notInclude([1000, 1001], first?.end?.code)
        assert.strictEqual(second?.url, "wss://gateway-sim1.discord.gg/?v=10&encoding=json")
      }).pipe(Effect.provide(SimulatedBot.layer()), inTheMiddle)
  )

  it.effect("forget an acknowledgement that was outstanding when the connection was lost", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.faults.inject(Fault.heartbeat(Fault.nothing, { times: 1 }))
      yield* TestClock.adjust("25 seconds")
      yield* simulator.drop()
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual(watcher.tags().filter((tag) => tag === "Disconnected").length, 1)
    }).pipe(Effect.provide(SimulatedBot.layer()), inTheMiddle)
  )
})

describe("a session that was disconnected", () => {
  const resumes = (disconnect: (simulator: DiscordSimulator["Service"]) => Effect.Effect<unknown>) =>
    Effect.gen(function* () {
      const { listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* disconnect(simulator)
      // The connection is gone at Discord: this one is missed.
      yield* TestClock.adjust("15 millis")
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed" })
      yield* TestClock.adjust("10 seconds")

      assert.deepStrictEqual(listener.dispatches(), [
        { t: "READY", s: 1 },
        { t: "MESSAGE_CREATE", s: 2 },
        { t: "RESUMED", s: 2 }
      ])
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6]])
      const [first, second] = yield* simulator.connections
      assert.notInclude([1000, 1001], first?.end?.by === "client" ? first.end.code : undefined)
      assert.strictEqual(second?.url, "wss://gateway-sim1.discord.gg/?v=10&encoding=json")
      assert.deepStrictEqual(second?.frames[0]?.payload, {
        op: 6,
        d: { token: "<token>", session_id: first?.sessionId, seq: 1 }
      })
      const resumed = watcher.events.find(({ _tag }) => _tag === "Resumed")
      assert.strictEqual(resumed?._tag === "Resumed" && resumed.replayed, 1)
      const lost = watcher.events.find(({ _tag }) => _tag === "Disconnected")
      assert.isBelow(
        (SimulatedBot.timeOf(resumed) ?? Infinity) - (SimulatedBot.timeOf(lost) ?? 0),
        100,
        "the first reconnect is immediate"
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))

  it.effect("by op 7 resumes at once", () => resumes((simulator) => simulator.reconnect()))
  it.effect("by a lost TCP connection resumes at once", () => resumes((simulator) => simulator.drop()))
  it.effect("by a close frame without a code resumes at once", () => resumes((simulator) => simulator.close()))
  it.effect("by a frame that is not JSON resumes at once", () => resumes((simulator) => simulator.sendRaw("{")))
  it.effect("by two triggers at once reconnects once", () =>
    resumes((simulator) => Effect.andThen(simulator.reconnect(), simulator.drop()))
  )

  it.effect("resumes at the main host when its own is dead, and keeps the session", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.faults.inject(Fault.dial("refuse", { host: "resume" }))
      yield* simulator.drop()
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6]])
      assert.deepStrictEqual(
        (yield* simulator.dials).map(({ host, outcome }) => [host, outcome]),
        [
          ["main", "accepted"],
          ["resume", "refused"],
          ["main", "accepted"]
        ]
      )
      assert.deepStrictEqual(watcher.waits(), [1000])
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("survives ten minutes without network: dials are bounded, then it resumes", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      yield* simulator.faults.inject(Fault.dial("refuse"), Fault.http("unreachable"))
      yield* simulator.drop()
      yield* TestClock.adjust("50 millis")
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed" })
      yield* TestClock.adjust("10 minutes")
      const { dials } = yield* simulator.counts
      assert.isAtMost(dials, 20)
      yield* simulator.faults.clear
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6]])
      assert.deepStrictEqual(
        listener.dispatches().map(({ t }) => t),
        ["READY", "MESSAGE_CREATE", "RESUMED"]
      )
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { sessionTimeout: "1 hour" } })))
  )

  it.effect("does not follow a resume_gateway_url to another domain", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const ready = JSON.stringify({
        op: 0,
        s: 1,
        t: "READY",
        d: { session_id: "stolen", resume_gateway_url: "wss://gateway.discord.gg.evil.example" }
      })
      yield* simulator.faults.inject(Fault.identify(Act.sendRaw(ready), { times: 1 }))
      const { watcher } = yield* SimulatedBot.ready
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      assert.include(watcher.tags(), "ResumeUrlRefused")
      assert.deepStrictEqual(
        (yield* simulator.dials).map(({ url }) => url),
        Array(2).fill("wss://gateway.discord.gg/?v=10&encoding=json")
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

const online = SendEvent.updatePresence({
  since: null,
  activities: [],
  status: PresenceUpdateStatus.Online,
  afk: false
})

describe("a session that leads nowhere", () => {
  const reasons = (events: ReadonlyArray<ShardEvent>) =>
    events.flatMap((event) => (event._tag === "Disconnected" ? [event.reason._tag] : []))

  it.effect("a RESUME that is never answered, with heartbeats acknowledged, is tried again after a minute", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Fault.nothing, { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("59 seconds")
      assert.notInclude(reasons(watcher.events), "ResumedTimeout")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(reasons(watcher.events), ["ConnectionClosed", "ResumedTimeout"])
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
      assert.strictEqual((yield* simulator.counts).identifies, 1)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("a RESUME that is never answered by anyone ends in an IDENTIFY, not in waiting for ever", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Fault.nothing))
      yield* simulator.drop()
      // Five attempts, with the waits between them.
      yield* TestClock.adjust("8 minutes")
      assert.include(watcher.tags(), "SessionDropped")
      assert.strictEqual(watcher.tags().at(-1), "Ready")
      assert.strictEqual((yield* simulator.counts).identifies, 2)
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { sessionTimeout: "1 hour" } })))
  )

  it.effect("an IDENTIFY that is never answered is given up after ten minutes, as each one costs", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Fault.nothing, { times: 1 }))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("598 seconds")
      assert.strictEqual((yield* simulator.counts).identifies, 1)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(reasons(watcher.events), ["ReadyTimeout"])
      assert.strictEqual(watcher.tags().at(-1), "Ready")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("READY that takes nine minutes is waited for", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Fault.late("9 minutes"), { times: 1 }))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("9 minutes")
      assert.deepStrictEqual(reasons(watcher.events), [])
      assert.strictEqual(watcher.tags().at(-1), "Ready")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("a replay that goes on, or that nobody reads, is no silence", () =>
    Effect.gen(function* () {
      const { listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Fault.nothing, { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      for (let s = 2; s < 12; s++) {
        yield* simulator.sendRaw(`{"op":0,"t":"MESSAGE_CREATE","s":${s},"d":{}}`)
        yield* TestClock.adjust("50 seconds")
      }
      assert.deepStrictEqual(reasons(watcher.events), ["ConnectionClosed"])
      assert.strictEqual(listener.dispatches().length, 11)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("an IDENTIFY that is sent while nobody reads is waited for no longer, once somebody does", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* Gateway
      const watcher = yield* SimulatedBot.watch
      yield* TestClock.adjust("1 second")
      // The READY of shard 0 takes all the room, and nobody has subscribed when shard 1 identifies.
      yield* simulator.faults.inject(Fault.identify(Fault.nothing, { times: 1 }))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* simulator.counts).identifies, 2)
      yield* SimulatedBot.listen
      yield* TestClock.adjust("598 seconds")
      assert.deepStrictEqual(reasons(watcher.events), [])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(reasons(watcher.events), ["ReadyTimeout"])
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { buffer: 1, shards: 2 } })))
  )

  it.effect("a shard that gets ready while nobody reads sends what it is to send", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = yield* Gateway
      yield* TestClock.adjust("1 second")
      // Two HELLOs, the READY of shard 0 and this take all the room, before shard 1 identifies.
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ state }) => state),
        ["ready", "ready"]
      )
      const sending = yield* Effect.forkChild(gateway.send(online, { shard: 1 }))
      yield* TestClock.adjust("1 second")
      assert.isDefined(sending.pollUnsafe())
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { buffer: 4, shards: 2 } })))
  )

  it.effect("the limits are options", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(
        Fault.identify(Fault.nothing, { times: 1 }),
        Fault.resume(Fault.nothing, { times: 1 })
      )
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("15 seconds")
      yield* simulator.drop()
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(reasons(watcher.events), ["ReadyTimeout", "ConnectionClosed", "ResumedTimeout"])
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { timeouts: { ready: "5 seconds", resumed: "2 seconds" } } })))
  )
})

describe("a RESUMED", () => {
  const jump = Fault.resume(Act.sendRaw('{"op":0,"t":"RESUMED","s":9,"d":{}}'), { times: 1 })

  it.effect("whose sequence jumps, with nothing replayed, is a gap, and is told as one", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.faults.inject(jump)
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      assert.deepInclude(
        watcher.events.find(({ _tag }) => _tag === "GapDetected"),
        { from: 2, to: 8 }
      )
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("that Discord counts like any dispatch is none", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      assert.notInclude(watcher.tags(), "GapDetected")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("op 7", () => {
  it.effect("before HELLO, or instead of it, reconnects; also while resuming", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.hello(Act.reconnect, { times: 1, when: "before" }))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(watcher.tags().at(-1), "Ready")

      yield* simulator.faults.inject(Fault.hello(Act.reconnect, { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[], [2], [], [6]])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("op 9", () => {
  it.effect("with true in mid-session resumes", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      yield* simulator.invalidateSession(true)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6]])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("with false in mid-session drops the session, waits 1 to 5 s, and identifies on the cached main URL", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      yield* simulator.invalidateSession(false)
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(yield* gateway.session(), Option.none())
      assert.strictEqual((yield* gateway.shards)[0]?.state, "waiting")
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [2]])
      const [wait] = watcher.waits()
      assert.isAtLeast(wait ?? 0, 1000)
      assert.isAtMost(wait ?? 0, 5000)
      const [first, second] = yield* simulator.connections
      assert.strictEqual(second?.host, "main")
      assert.strictEqual(first?.end?.code, 4000)
      assert.strictEqual((yield* simulator.counts).httpRequests, 1)
      assert.deepStrictEqual(listener.dispatches(), [
        { t: "READY", s: 1 },
        { t: "READY", s: 1 }
      ])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("instead of RESUMED identifies; before READY identifies again", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      yield* simulator.endSessions()
      yield* simulator.faults.inject(Fault.identify(Act.invalidSession(false), { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6], [2], [2]])
      assert.strictEqual(watcher.tags().at(-1), "Ready")
      assert.strictEqual((yield* simulator.counts).identifyViolations, 0)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("frames of an old connection", () => {
  it.effect("do not come through once a new one is being made", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator } = yield* SimulatedBot.ready
      // Both travel at the same time; op 7 arrives first.
      yield* simulator.reconnect()
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "comes twice over the wire" })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        listener.dispatches().map(({ t }) => t),
        ["READY", "MESSAGE_CREATE", "RESUMED"]
      )
      assert.strictEqual((yield* gateway.shards)[0]?.state, "ready")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("closing the scope", () => {
  it.effect("closes with 1000, so that the bot is offline at once, and ends the streams", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Gateway
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* simulator.connections)[0]?.end, undefined)
        }).pipe(Effect.provide(SimulatedBot.gateway()))
      )
      const [connection] = yield* simulator.connections
      assert.deepInclude(connection?.end, { by: "client", how: "close", code: 1000 })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* simulator.counts).dials, 1)
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )
})
