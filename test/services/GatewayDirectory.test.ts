import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const layer = (token = "simulated-token") =>
  GatewayDirectory.layer.pipe(Layer.provide(GatewayConfig.layer({ token })), Layer.provideMerge(DiscordSimulator.layer))

const soon = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  })

/** Bytes that were taken of the endless body. */
let taken = 0

const endless = () => {
  taken = 0
  return new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const chunk = new Uint8Array(16 * 1024).fill(0x20)
      taken += chunk.length
      controller.enqueue(chunk)
    }
  })
}

const infoWith = (more: object) =>
  JSON.stringify({
    url: "wss://gateway.discord.gg",
    shards: 1,
    session_start_limit: { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 1 },
    ...more
  })

/** A directory whose requests are answered with a body. */
const answering = (body: () => ReadableStream<Uint8Array> | string) =>
  GatewayDirectory.layer.pipe(
    Layer.provide(GatewayConfig.layer({ token: "simulated-token" })),
    Layer.provide(
      Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(body()))))
      )
    )
  )

describe("GET /gateway/bot", () => {
  it.effect("tells where to connect, and is asked again only when it matters", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const directory = yield* GatewayDirectory
      assert.strictEqual(yield* soon(directory.url), "wss://gateway.discord.gg")
      assert.strictEqual(yield* soon(directory.url), "wss://gateway.discord.gg")
      assert.strictEqual((yield* simulator.counts).httpRequests, 1)
      yield* directory.invalidateUrl
      yield* soon(directory.url)
      assert.strictEqual((yield* simulator.counts).httpRequests, 2)
      const { info } = yield* soon(directory.fetch)
      assert.strictEqual(info.session_start_limit.max_concurrency, 1)
    }).pipe(Effect.provide(layer()))
  )

  const answers: ReadonlyArray<readonly [Fault.HttpFault, tag: string, recovery: string]> = [
    [{ status: 429, retryAfter: "3.5 seconds" }, "DirectoryRateLimited", "resume"],
    [{ status: 500 }, "DirectoryRejected", "resume"],
    [{ status: 503 }, "DirectoryRejected", "resume"],
    [{ status: 404 }, "DirectoryRejected", "fatal"],
    ["malformed", "DirectoryMalformed", "resume"],
    ["unreachable", "DirectoryUnreachable", "resume"],
    ["ignore", "DirectoryUnreachable", "resume"]
  ]
  for (const [fault, tag, recovery] of answers) {
    it.effect(`tells ${JSON.stringify(fault)} apart: ${tag}`, () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const directory = yield* GatewayDirectory
        yield* simulator.faults.inject(Fault.http(fault))
        const error = yield* soon(Effect.flip(directory.fetch))
        assert.strictEqual(error.reason._tag, tag)
        assert.strictEqual(error.recovery, recovery)
        assert.notInclude(JSON.stringify(error) + error.stack, "simulated-token")
      }).pipe(Effect.provide(layer()))
    )
  }

  const absurd: ReadonlyArray<readonly [what: string, body: () => ReadableStream<Uint8Array> | string]> = [
    ["a body without end", () => endless()],
    ["more shards than any bot has", () => infoWith({ shards: 1e12 })],
    ["somewhat more shards than any bot has", () => infoWith({ shards: 5e7 })],
    ["a body nested deeply", () => `${"[".repeat(30_000)}${"]".repeat(30_000)}`]
  ]
  for (const [what, body] of absurd) {
    it.effect(`refuses ${what}`, () =>
      Effect.gen(function* () {
        const directory = yield* GatewayDirectory
        const error = yield* Effect.flip(directory.fetch)
        assert.strictEqual(error.reason._tag, "DirectoryMalformed")
        assert.isAtMost(taken, 128 * 1024)
      }).pipe(Effect.provide(answering(body)))
    )
  }

  it.effect("takes what is within these limits", () =>
    Effect.gen(function* () {
      const directory = yield* GatewayDirectory
      assert.strictEqual((yield* directory.fetch).info.shards, 100_000)
    }).pipe(Effect.provide(answering(() => infoWith({ shards: 100_000, padding: "x".repeat(60_000) }))))
  )

  it.effect("tells a wrong token apart: AuthenticationFailed", () =>
    Effect.gen(function* () {
      const directory = yield* GatewayDirectory
      const error = yield* soon(Effect.flip(directory.fetch))
      assert.strictEqual(error.reason._tag, "AuthenticationFailed")
      assert.strictEqual(error.recovery, "fatal")
    }).pipe(Effect.provide(layer("wrong")))
  )

  it.effect("being limited is waited out, being down is retried with backoff, a wrong token is fatal", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(
        Fault.http({ status: 429, retryAfter: "30 seconds" }, { times: 1 }),
        Fault.http({ status: 503 }, { times: 2 }),
        Fault.http("unreachable", { times: 1 })
      )
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(watcher.waits(), [30_000, 2000, 4000, 8000])
      assert.strictEqual(watcher.tags().at(-1), "Ready")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("an answer's Retry-After is kept by all who ask, whether it is a number or a date", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const directory = yield* GatewayDirectory
      const headers = { date: "Thu, 01 Jan 1970 00:00:00 GMT", "retry-after": "Thu, 01 Jan 1970 00:02:00 GMT" }
      yield* simulator.faults.inject(
        Fault.http({ status: 503, headers }, { times: 1 }),
        Fault.http({ status: 429, headers: { "retry-after": "30" } }, { times: 1 })
      )
      const asked = Effect.map(simulator.counts, ({ httpRequests }) => httpRequests)
      const unavailable = yield* soon(Effect.flip(directory.fetch))
      assert.deepInclude(unavailable.reason, { _tag: "DirectoryRejected", retryAfter: Duration.minutes(2) })
      // A minute of the wait is over.
      const early = yield* Effect.flip(directory.fetch)
      assert.isTrue(early.reason._tag === "DirectoryRejected" && early.reason.retryAfter !== undefined)
      assert.strictEqual(yield* asked, 1)
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual((yield* soon(Effect.flip(directory.fetch))).reason._tag, "DirectoryRateLimited")
      assert.strictEqual(yield* asked, 2)
      assert.strictEqual((yield* soon(directory.fetch)).info.shards, 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("refusing the token ends the stream", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* simulator.counts).httpRequests, 1)
      assert.strictEqual(watcher.tags().at(-1), "Stopped")
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { token: "wrong" } })))
  )
})

describe("a refusal of GET /gateway/bot", () => {
  /** The bot has been READY for a minute when the network fails, and the REST API answers with an error page. */
  const fallen = Effect.fnUntraced(function* (page: Fault.Fault) {
    const bot = yield* SimulatedBot.ready
    const network = Fault.dial("refuse")
    yield* TestClock.adjust("1 minute")
    yield* bot.simulator.faults.inject(network, page)
    yield* bot.simulator.drop()
    return { ...bot, network }
  })

  for (const status of [401, 404]) {
    it.effect(`${status} to a bot that was READY does not end it`, () =>
      Effect.gen(function* () {
        const { network, simulator, watcher } = yield* fallen(Fault.http({ status }, { times: 1 }))
        yield* TestClock.adjust("20 seconds")
        yield* simulator.faults.lift(network)
        yield* TestClock.adjust("1 minute")
        assert.include(
          (yield* simulator.requests).map((request) => request.status),
          status
        )
        assert.strictEqual(watcher.tags().at(-1), "Resumed")
      }).pipe(Effect.provide(SimulatedBot.layer()))
    )
  }

  it.effect("that stays for half an hour ends it, with what to do", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* fallen(Fault.http({ status: 401 }))
      yield* TestClock.adjust("25 minutes")
      assert.notInclude(watcher.tags(), "Stopped")
      yield* TestClock.adjust("10 minutes")
      assert.deepNestedPropertyVal(watcher.events.at(-1), "reason._tag", "AuthenticationFailed")
      assert.isAtLeast((yield* simulator.counts).httpRequests, 10)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("that other answers interrupt does not count", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* fallen(Fault.http({ status: 502 }, { times: 1 }))
      for (let hour = 0; hour < 6; hour++) {
        yield* simulator.faults.inject(
          Fault.http({ status: 404 }, { times: 8 }),
          Fault.http({ status: 502 }, { times: 1 })
        )
        yield* TestClock.adjust("9 minutes")
      }
      assert.notInclude(watcher.tags(), "Stopped")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  for (const [status, tag] of [
    [401, "AuthenticationFailed"],
    [404, "DirectoryRejected"]
  ] as const) {
    it.effect(`${status} at the first start ends it at once`, () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        yield* simulator.faults.inject(Fault.http({ status }))
        const { watcher } = yield* SimulatedBot.ready
        assert.deepNestedPropertyVal(watcher.events.at(-1), "reason._tag", tag)
        assert.strictEqual((yield* simulator.counts).httpRequests, 1)
      }).pipe(Effect.provide(SimulatedBot.layer()))
    )
  }
})
