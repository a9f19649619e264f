import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Persistence from "effect/persistence/Persistence"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../src/services/GatewayConnection.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { Heartbeat } from "../../src/services/Heartbeat.ts"
import { IdentifyLimiter } from "../../src/services/IdentifyLimiter.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"

const token = "MTk4NjIyNDgzNDcxOTI1MjQ4.c2VjcmV0.dG9rZW4"

/** Everything that leaves the gateway, as text: the more of it the better. */
const makeRecorder = () => {
  const seen: Array<string> = []
  const record = (kind: string, value: unknown) => {
    seen.push(`${kind}: ${inspect(value, { depth: 6 })} ${safeJson(value)}`)
  }
  const logger = Logger.make(({ cause, date, fiber, logLevel, message }) => {
    record("log", { date, logLevel, message, annotations: fiber.getRef(References.CurrentLogAnnotations) })
    seen.push(`cause: ${Cause.pretty(cause)}`)
  })
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const { end } = span
      span.end = (endTime, exit) => {
        record("span", { name: span.name, attributes: [...span.attributes], events: span.events })
        if (Exit.isFailure(exit)) seen.push(`span cause: ${Cause.pretty(exit.cause)} ${inspect(exit, { depth: 6 })}`)
        end.call(span, endTime, exit)
      }
      return span
    }
  })
  return { seen, record, logger, tracer }
}

const safeJson = (value: unknown): string => {
  const known = new WeakSet<object>()
  return String(
    JSON.stringify(value, (_, item: unknown) => {
      if (typeof item === "bigint") return String(item)
      if (typeof item !== "object" || item === null) return item
      if (known.has(item)) return "[again]"
      known.add(item)
      return item
    })
  )
}

const pass = TestClock.adjust("1 minute")

describe("the token", () => {
  it.effect("is in no log, span, error, change, status or stored session, whatever happens", () => {
    const { logger, record, seen, tracer } = makeRecorder()
    const bot = Gateway.layer.pipe(
      Layer.provide([
        GatewayConnection.layer,
        Heartbeat.layer,
        IdentifyLimiter.layerMemory,
        SessionStore.layerPersisted.pipe(Layer.provide(Persistence.layerBackingKvs))
      ]),
      Layer.provideMerge(KeyValueStore.layerMemory),
      Layer.provide(GatewayDirectory.layer),
      Layer.provide(GatewayConfig.layer({ token, compression: "none", shards: 2, saveEvery: "1 second" })),
      Layer.provideMerge(DiscordSimulator.layerWith({ token, heartbeatInterval: "40 seconds", maxConcurrency: 2 }))
    )

    const run = Effect.gen(function* () {
      const gateway = yield* Gateway
      const simulator = yield* DiscordSimulator
      yield* Effect.forkScoped(
        Stream.runForEach(gateway.changes, (event) => Effect.sync(() => record("change", event)))
      )
      const listening = yield* Effect.forkScoped(Stream.runDrain(gateway.payloads))
      const look = Effect.gen(function* () {
        record("status", yield* gateway.shards)
        record("session", yield* gateway.session())
        record("identity", yield* gateway.identity)
        const info = yield* Effect.forkScoped(Effect.exit(gateway.info))
        yield* TestClock.adjust("15 seconds")
        record("info", yield* Fiber.join(info))
      })
      // The REST API fails in every way before it answers.
      for (const fault of ["malformed", "unreachable", { status: 503 }, { status: 429 }, { status: 403 }] as const) {
        yield* simulator.faults.inject(Fault.http(fault, { times: 1 }))
      }
      yield* TestClock.adjust("3 minutes")
      yield* look
      // The server echoes the token wherever it can.
      const acts = [
        Act.reconnect,
        Act.requestHeartbeat,
        Act.invalidSession(true),
        Act.invalidSession(false),
        Act.drop,
        Act.close(4000, `token ${token}`),
        Act.close(4009, token),
        Act.sendRaw(`{"op":0,"t":"${token}","s":"${token}"`),
        Act.sendRaw(token),
        Act.sendRaw(`{"op":99,"d":"${token}"}`),
        Act.mute
      ]
      for (const act of acts) {
        yield* simulator.act(act)
        yield* pass
        yield* look
      }
      for (const fault of [
        Fault.dial("refuse", { times: 2 }),
        Fault.dial({ status: 502 }, { times: 2 }),
        Fault.hello(Act.close(4000, token), { times: 2 }),
        Fault.resume(Act.close(4007, token), { times: 2 }),
        Fault.identify(Act.invalidSession(false), { times: 2 }),
        Fault.heartbeat(Fault.nothing, { times: 2 })
      ]) {
        yield* simulator.faults.inject(fault)
        yield* simulator.drop()
        yield* pass
        yield* look
      }
      // READY echoes it as the session's id, as the bot's name, or where the session is resumed, and so does a dispatch, as its
      // name.
      const who = { user: { id: "1", username: token }, application: { id: "2" }, guilds: [{ id: token }] }
      for (const echo of [
        { session_id: token, resume_gateway_url: "wss://gateway.discord.gg" },
        { session_id: `a${token}z`, resume_gateway_url: `wss://${token}.discord.gg` },
        { session_id: "b", resume_gateway_url: `wss://gateway.discord.gg/${encodeURIComponent(token)}?t=${token}` }
      ]) {
        const ready = JSON.stringify({ op: 0, t: "READY", s: 1, d: { ...echo, ...who } })
        yield* simulator.faults.inject(Fault.identify(Act.sendRaw(ready), { times: 2 }))
        yield* simulator.invalidateSession(false)
        yield* TestClock.adjust("20 seconds")
        yield* simulator.sendRaw(`{"op":0,"t":"${token}","s":2,"d":{}}`)
        yield* simulator.sendRaw(`{"op":0,"t":"x${token}","s":3,"d":{}}`)
        yield* TestClock.adjust("10 seconds")
        yield* look
        record("metrics", yield* Metric.snapshot)
        const stored = yield* KeyValueStore.KeyValueStore
        for (const key of yield* stored.keys) record(`stored ${key}`, yield* stored.get(key))
        yield* simulator.drop()
        yield* pass
        yield* look
      }
      const sends = [
        gateway.send(SendEvent.requestGuildMembers({ guild_id: token, query: "", limit: 0 })),
        gateway.send(SendEvent.requestGuildMembers({ guild_id: "1", query: "", limit: 0 }), { shard: 99 }),
        gateway.send(SendEvent.requestGuildMembers({ guild_id: "1", query: "", limit: 0 }), { timeout: "1 second" })
      ]
      for (const send of sends) {
        const fiber = yield* Effect.forkScoped(Effect.exit(send))
        yield* TestClock.adjust("2 seconds")
        record("send", yield* Fiber.join(fiber))
      }
      const stored = yield* KeyValueStore.KeyValueStore
      for (const key of yield* stored.keys) record(`stored ${key}`, yield* stored.get(key))
      // And in the end the token is wrong.
      yield* simulator.faults.inject(Fault.resume(Act.close(4004, token)))
      yield* simulator.faults.inject(Fault.identify(Act.close(4004, token)))
      yield* simulator.drop()
      yield* pass
      const exit = yield* Fiber.await(listening)
      record("exit", exit)
      if (Exit.isFailure(exit)) seen.push(Cause.pretty(exit.cause))
      yield* look
    })

    return run.pipe(
      Effect.provide(bot),
      Effect.scoped,
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provideService(References.MinimumLogLevel, "All"),
      Effect.andThen(
        Effect.sync(() => {
          const all = seen
          // The recorder works, and everything was driven.
          for (const word of [
            "log:",
            "span:",
            "Shard.connect",
            "Shard.identify",
            "Shard.resume",
            "discord.shard.id",
            "server.address",
            "error.type",
            "AuthenticationFailed",
            "resumeUrl",
            "metrics:",
            "ResumeUrlRefused",
            "<redacted>"
          ]) {
            assert.isTrue(
              all.some((text) => text.includes(word)),
              word
            )
          }
          assert.isAbove(seen.length, 200)
          assert.deepStrictEqual(
            all.filter((text) => text.toLowerCase().includes(token.toLowerCase())),
            []
          )
        })
      )
    )
  })
})
