import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import * as FastCheck from "fast-check"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"
import { scaled } from "../support/Scale.ts"

const seed = 20_260_801

/** Payloads of Discord's, valid as they are. */
const known = FastCheck.constantFrom(
  '{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250,"_trace":["[\\"gateway\\",{\\"micros\\":0.0}]"]}}',
  '{"t":null,"s":null,"op":11,"d":null}',
  '{"t":null,"s":null,"op":1,"d":null}',
  '{"t":null,"s":null,"op":7,"d":null}',
  '{"t":null,"s":null,"op":9,"d":true}',
  '{"t":null,"s":null,"op":9,"d":false}',
  '{"t":"MESSAGE_CREATE","s":1,"op":0,"d":{"content":"again"}}',
  '{"t":"READY","s":1,"op":0,"d":{"session_id":7,"resume_gateway_url":null}}'
)

/** Something cut out, put in or put in another place. */
const mutated = FastCheck.tuple(
  known,
  FastCheck.array(
    FastCheck.record({
      at: FastCheck.nat(200),
      cut: FastCheck.nat(6),
      put: FastCheck.oneof(FastCheck.string({ maxLength: 4 }), FastCheck.constantFrom("}", "{", '"', ",", "null", "-1"))
    }),
    { minLength: 1, maxLength: 3 }
  )
).map(([frame, changes]) =>
  changes.reduce<string>((text, { at, cut, put }) => {
    const index = at % (text.length + 1)
    return text.slice(0, index) + put + text.slice(index + cut)
  }, frame)
)

const anyPayload = FastCheck.record(
  { op: FastCheck.anything(), d: FastCheck.jsonValue(), s: FastCheck.jsonValue(), t: FastCheck.jsonValue() },
  { requiredKeys: [] }
).map((payload) => JSON.stringify(payload))

/** A forged dispatch would be a lie about the session, which no client can see through. READY and old ones are none. */
const isForged = (frame: string | Uint8Array): boolean => {
  try {
    const { op, s, t } = JSON.parse(typeof frame === "string" ? frame : new TextDecoder().decode(frame))
    return op === 0 && Number.isSafeInteger(s) && s > 1 && typeof t === "string"
  } catch {
    return false
  }
}

const forged = FastCheck.tuple(FastCheck.oneof(FastCheck.maxSafeNat(), FastCheck.double()), FastCheck.nat(11)).map(
  ([s, op]) => `{"op":${op},"s":${s},"t":"MESSAGE_CREATE","d":{"n":-1}}`
)

const anyFrame = FastCheck.oneof(
  known,
  mutated,
  anyPayload,
  FastCheck.json(),
  FastCheck.string({ unit: "binary" }),
  FastCheck.uint8Array({ maxLength: 64 }),
  mutated.map((text) => new TextEncoder().encode(text))
)

/** Frames, one after the other, with so many milliseconds before each. */
const framesOf = (frame: FastCheck.Arbitrary<string | Uint8Array>) =>
  FastCheck.array(FastCheck.tuple(FastCheck.constantFrom(0, 1, 15, 400, 7000), frame), { maxLength: 12 })
const frames = framesOf(anyFrame.filter((frame) => !isForged(frame)))

/** Nothing is said of what is only to be expected. */
const quietly = Layer.provideMerge(TestClock.layer(), Layer.succeed(References.MinimumLogLevel, "None"))

const compression = FastCheck.constantFrom("none", "zlib-stream", "payload")

describe("whatever comes over a live connection", () => {
  const survives = (
    frames: ReadonlyArray<readonly [number, string | Uint8Array]>,
    compression: "none" | "zlib-stream" | "payload"
  ) =>
    Effect.gen(function* () {
      const { gateway, listener, simulator } = yield* SimulatedBot.ready
      let n = 0
      for (const [pause, frame] of frames) {
        yield* TestClock.adjust(pause)
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: ++n } }])
        yield* simulator.sendRaw(frame)
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: ++n } }])
      }
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual((yield* gateway.shards)[0]?.state, "ready")
      yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: ++n } }])
      yield* TestClock.adjust("3 minutes")

      const got = listener.payloads.flatMap(({ d, t }) =>
        t === "MESSAGE_CREATE" && typeof d === "object" && d !== null && "n" in d ? [Number(d.n)] : []
      )
      assert.deepStrictEqual(
        got,
        got.toSorted((a, b) => a - b),
        "in order"
      )
      assert.strictEqual(new Set(got).size, got.length, "once")
      assert.strictEqual(got.at(-1), n, "up to the last one")
      // Discord may have said that the session is gone, though it was not: then what it still held is gone with it.
      const isNew = listener.payloads.filter(({ t }) => t === "READY").length > 1
      if (!isNew) assert.strictEqual(got.length, n, "all of them")
    }).pipe(Effect.scoped, Effect.provide(SimulatedBot.layer({ config: { compression } })))

  it.effect("it is delivered or answered by a reconnect, and the bot is ready again with nothing lost", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(frames, compression, (frames, compression) =>
          Effect.runPromise(survives(frames, compression).pipe(Effect.provide(quietly)))
        ),
        { seed, numRuns: scaled(400) }
      )
    )
  )
})

describe("whatever lies about the session come over a connection", () => {
  const survives = (frames: ReadonlyArray<readonly [number, string | Uint8Array]>) =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      for (const [pause, frame] of frames) {
        yield* TestClock.adjust(pause)
        yield* simulator.sendRaw(frame)
      }
      yield* TestClock.adjust("1 minute")
      yield* simulator.drop()
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual((yield* gateway.shards)[0]?.state, "ready")
      assert.strictEqual((yield* simulator.connections).at(-1)?.end, undefined)
    }).pipe(Effect.scoped, Effect.provide(SimulatedBot.layer()))

  it.effect("the bot lives, and gets ready", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(framesOf(FastCheck.oneof(forged, anyFrame)), (frames) =>
          Effect.runPromise(survives(frames).pipe(Effect.provide(quietly)))
        ),
        { seed, numRuns: scaled(200) }
      )
    )
  )
})

describe("whatever comes before READY", () => {
  const survives = (frames: ReadonlyArray<readonly [number, string | Uint8Array]>) =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const gateway = yield* Gateway
      for (const [pause, frame] of frames) {
        yield* simulator.drop()
        yield* TestClock.adjust(pause)
        yield* simulator.sendRaw(frame)
      }
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual((yield* gateway.shards)[0]?.state, "ready")
    }).pipe(Effect.scoped, Effect.provide(SimulatedBot.layer()))

  it.effect("the bot gets ready", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(frames, (frames) => Effect.runPromise(survives(frames).pipe(Effect.provide(quietly)))),
        { seed, numRuns: scaled(200) }
      )
    )
  )
})
