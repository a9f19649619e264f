import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as zlib from "node:zlib"
import * as TestClock from "effect/testing/TestClock"
import { DiscordSimulator } from "disruption-gateway/testing"
import { zstdStream } from "../../src/simulator/Compression.ts"
import { dial, mainUrl, type RawClient } from "../support/RawClient.ts"
import { hasZstd } from "../support/Zstd.ts"

const second = TestClock.adjust("1 second")

const frames = (client: RawClient) => client.frames as ReadonlyArray<Uint8Array | string>

const content = "é".repeat(100_000)

describe("compression", () => {
  it.effect("zlib-stream is one stream per connection, flushed after each payload", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* dial(`${mainUrl}&compress=zlib-stream`)
      yield* second
      client.identify()
      yield* second
      yield* simulator.dispatch("MESSAGE_CREATE", { content })
      yield* second
      for (const frame of frames(client))
        assert.strictEqual(Buffer.from(frame.slice(-4) as Uint8Array).toString("hex"), "0000ffff")
      const stream = Buffer.concat(frames(client).map((frame) => Buffer.from(frame)))
      const text = zlib.inflateSync(stream, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString()
      assert.match(text, /^\{"t":null,"s":null,"op":10,.*"t":"READY".*"t":"MESSAGE_CREATE"/)
      assert.include(text, content)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("IDENTIFY's compress makes large payloads a stream each", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* dial()
      yield* second
      client.identify({ compress: true })
      yield* second
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "short" })
      yield* simulator.dispatch("MESSAGE_CREATE", { content })
      yield* second
      const [, , short, long] = frames(client)
      assert.isString(short)
      assert.include(zlib.inflateSync(Buffer.from(long ?? "")).toString(), content)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.runIf(hasZstd)("zstd-stream is one frame per connection, which does not end", () => {
    const encode = zstdStream()
    const bytes = Buffer.concat([encode("first"), encode(content)].map((frame) => Buffer.from(frame)))
    // An empty last block ends the frame, so that a decoder of whole frames takes it.
    const whole = Buffer.concat([bytes, Uint8Array.of(1, 0, 0)])
    assert.strictEqual(zlib.zstdDecompressSync(whole).toString(), `first${content}`)
  })
})
