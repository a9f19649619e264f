import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as NodeDecompression from "../../src/node/NodeDecompression.ts"
import * as NodeGateway from "../../src/node/NodeGateway.ts"
import type { TransportCompression } from "../../src/schema/Compression.ts"
import type { Payload } from "../../src/schema/Payload.ts"
import { Decompression, type Decompressors, portable } from "../../src/services/Decompression.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import { untilTrue } from "../support/Patience.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"
import { hasZstd } from "../support/Zstd.ts"

const limit = 64 * 1024 * 1024

/** Compresses payload after payload in one context, as Discord does. */
const compressor = (compression: TransportCompression) => {
  const stream = compression === "zlib-stream" ? zlib.createDeflate() : zlib.createZstdCompress()
  const flag = compression === "zlib-stream" ? zlib.constants.Z_SYNC_FLUSH : zlib.constants.ZSTD_e_flush
  let parts: Array<Buffer> = []
  stream.on("data", (part: Buffer) => parts.push(part))
  return (text: string) =>
    Effect.callback<Buffer>((resume) => {
      stream.write(text, () =>
        stream.flush(flag, () => {
          const whole = Buffer.concat(parts)
          parts = []
          resume(Effect.succeed(whole))
        })
      )
    })
}

const texts = [
  '{"op":10,"d":{"heartbeat_interval":41250}}',
  JSON.stringify({ op: 0, d: "ä".repeat(50_000), s: 1, t: "X" }),
  JSON.stringify({ op: 0, d: Array.from({ length: 200_000 }, (_, n) => n * 7919), s: 2, t: "X" }),
  '{"op":11}'
]

const native = Decompression.pipe(Effect.provide(NodeDecompression.layer))

describe("inflating", () => {
  const kinds: ReadonlyArray<readonly [string, Effect.Effect<Decompressors>, TransportCompression]> = [
    ["fflate", Effect.succeed(portable), "zlib-stream"],
    ["node:zlib", native, "zlib-stream"],
    ...(hasZstd ? [["node:zlib", native, "zstd-stream"] as const] : [])
  ]
  for (const [by, decompressors, compression] of kinds) {
    it.live(`${compression} by ${by} gives every payload of one context, in order`, () =>
      Effect.gen(function* () {
        const decompress = yield* (yield* decompressors).make(compression, limit)
        const compress = compressor(compression)
        for (const text of texts) {
          const inflated = Result.getOrThrow(decompress(yield* compress(text)))
          assert.strictEqual(new TextDecoder().decode(inflated), text)
        }
      })
    )

    it.live(`${compression} by ${by} tells of data that is corrupt, and of payloads over the limit`, () =>
      Effect.gen(function* () {
        const decompress = yield* (yield* decompressors).make(compression, 10_000)
        const compress = compressor(compression)
        yield* compress("hello")
        const large = decompress(yield* compressor(compression)("x".repeat(1_000_000)))
        assert.include(Result.getOrThrow(Result.flip(large)).message, "10000 bytes")
        const again = yield* (yield* decompressors).make(compression, limit)
        const corrupt = again(Buffer.from("this is no such stream, is it\u0000\u0000\uffff"))
        assert.isTrue(Result.isFailure(corrupt))
      })
    )
  }

  for (const [by, decompressors] of [
    ["fflate", Effect.succeed(portable)],
    ["node:zlib", native]
  ] as const) {
    it.live(`a payload that spans several messages by ${by}`, () =>
      Effect.gen(function* () {
        const decompress = yield* (yield* decompressors).make("zlib-stream", limit)
        const compress = compressor("zlib-stream")
        for (const text of texts) {
          const whole = yield* compress(text)
          const cuts = [0, 1, Math.floor(whole.length / 2), whole.length - 2, whole.length]
          let inflated: Uint8Array | undefined
          for (const [index, cut] of cuts.slice(1).entries()) {
            assert.isUndefined(inflated)
            const part = whole.subarray(cuts[index], cut)
            if (part.length > 0) inflated = Result.getOrThrow(decompress(part))
          }
          assert.strictEqual(new TextDecoder().decode(inflated), text)
        }
      })
    )

    it.live(`single payloads by ${by}`, () =>
      Effect.gen(function* () {
        const decompress = yield* (yield* decompressors).make("payload", 100_000)
        const inflated = Result.getOrThrow(decompress(zlib.deflateSync("hello")))
        assert.strictEqual(new TextDecoder().decode(inflated), "hello")
        assert.isTrue(Result.isFailure(decompress(zlib.deflateSync("x".repeat(200_000)))))
      })
    )
  }
})

describe("a compressed connection", () => {
  it.effect("is what the runtime can by default, and hands over the same", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hällo" })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(
        (yield* simulator.connections)[0]?.url,
        "wss://gateway.discord.gg/?v=10&encoding=json&compress=zlib-stream"
      )
      assert.deepStrictEqual(listener.payloads.find(({ t }) => t === "MESSAGE_CREATE")?.d, { content: "hällo" })
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(
        (yield* simulator.connections)[1]?.url,
        "wss://gateway-sim1.discord.gg/?v=10&encoding=json&compress=zlib-stream",
        "a RESUME's URL carries the same query"
      )
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { compression: "auto" } })))
  )

  it.effect("asks for single compressed payloads in IDENTIFY", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "x".repeat(5000) })
      yield* TestClock.adjust("1 second")
      const [connection] = yield* simulator.connections
      assert.nestedPropertyVal(connection?.frames[0]?.payload, "d.compress", true)
      assert.deepStrictEqual(
        listener.dispatches().map(({ t }) => t),
        ["READY", "MESSAGE_CREATE"]
      )
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { compression: "payload" } })))
  )

  it.effect("out of step is given up and resumed, and nothing is lost; in the end it goes on without compression", () =>
    Effect.gen(function* () {
      const { listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Act.sendRaw(new Uint8Array([7, 7, 7])), { when: "before" }))
      yield* simulator.sendRaw(new Uint8Array([7, 7, 7, 7, 0, 0, 0xff, 0xff]))
      yield* TestClock.adjust("15 millis")
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed" })
      yield* TestClock.adjust("20 seconds")
      const reasons = watcher.events.flatMap((event) => (event._tag === "Disconnected" ? [event.reason._tag] : []))
      assert.deepStrictEqual(reasons.slice(0, 3), Array(3).fill("DecompressionFailed"))
      const urls = (yield* simulator.connections).map(({ url }) => url.includes("compress"))
      assert.deepStrictEqual(urls.slice(0, 4), [true, true, true, false])
      yield* simulator.faults.clear
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(listener.payloads.filter(({ t }) => t === "MESSAGE_CREATE").length, 1)
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({ config: { compression: "zlib-stream" }, simulator: { sessionTimeout: "1 hour" } })
      )
    )
  )

  it.effect("of a kind that the runtime does not know is refused by name", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      const exit = yield* listener.exit
      assert.include(String(exit), "this runtime cannot inflate zstd-stream, it takes zlib-stream")
      assert.strictEqual((yield* simulator.counts).dials, 0)
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { compression: "zstd-stream" } })))
  )
})

describe("over real sockets", () => {
  const compressions = ["auto", "zlib-stream", "payload", "none", ...(hasZstd ? ["zstd-stream" as const] : [])] as const
  for (const compression of compressions) {
    it.live(`${compression}: bursts, large payloads and reconnects arrive whole`, () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const Bot = NodeGateway.layer.pipe(
          Layer.provide(
            GatewayConfig.layer({
              apiUrl: simulator.apiUrl,
              token: Redacted.value(simulator.token),
              compression,
              stableAfter: "1 millis"
            })
          )
        )
        const got: Array<Payload> = []
        yield* Effect.gen(function* () {
          const gateway = yield* Gateway
          yield* Effect.forkScoped(
            Stream.runForEach(gateway.on("MESSAGE_CREATE"), (payload) => Effect.sync(() => void got.push(payload)))
          )
          yield* Stream.runDrain(Stream.take(gateway.on("READY"), 1))
          for (let burst = 0; burst < 5; burst++) {
            yield* simulator.dispatchAll(
              Array.from({ length: 500 }, (_, n) => ({
                t: "MESSAGE_CREATE",
                d: { n: burst * 501 + n, text: "ä".repeat(200) }
              }))
            )
            yield* simulator.dispatchAll([
              { t: "MESSAGE_CREATE", d: { n: burst * 501 + 500, text: "x".repeat(2_000_000) } }
            ])
            // Now in the middle of a burst, now after it.
            if (burst % 2 === 1) yield* simulator.drop()
            else yield* untilTrue(() => got.length === (burst + 1) * 501)
          }
          yield* untilTrue(() => got.length >= 2505)
        }).pipe(Effect.provide(Bot), Effect.scoped)
        assert.deepStrictEqual(
          got.map(({ d }) => (d as { n: number }).n),
          Array.from({ length: 2505 }, (_, n) => n)
        )
      }).pipe(Effect.provide(DiscordSimulator.serve()), Effect.provideService(References.MinimumLogLevel, "None"))
    )
  }
})
