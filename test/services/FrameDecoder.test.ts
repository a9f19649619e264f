import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { UnparsedPayload } from "../../src/schema/UnparsedPayload.ts"
import * as DispatchTally from "../../src/services/DispatchTally.ts"
import { FrameDecoder } from "../../src/services/FrameDecoder.ts"

const decoder = (passesOn: boolean) =>
  Effect.map(
    DispatchTally.make(Context.empty()),
    (tally) =>
      new FrameDecoder({
        shard: 2,
        limit: 1_000_000,
        wanted: () => undefined,
        passesOn: () => passesOn,
        mask: identity,
        tally,
        decompress: undefined,
        isCompressed: () => false
      })
  )

const frame = (t: string, d: unknown) => Buffer.from(JSON.stringify({ t, s: 7, op: 0, d }))

describe("a frame that is only passed on", () => {
  it.effect("is not parsed, and keeps its text", () =>
    Effect.scoped(
      Effect.gen(function* () {
        // JSON in its header alone: whoever parses it fails.
        const text = '{"t":"MESSAGE_CREATE","s":7,"op":0,"d":{'
        const payload = (yield* decoder(true)).decode(Buffer.from(text))
        assert.instanceOf(payload, UnparsedPayload)
        if (!(payload instanceof UnparsedPayload)) return
        assert.deepInclude(payload, { op: 0, t: "MESSAGE_CREATE", s: 7, shard: 2, text })
        assert.notInstanceOf((yield* decoder(false)).decode(Buffer.from(text)), UnparsedPayload)
      })
    )
  )

  it.effect("is parsed where the library itself needs it, or does not know its name", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const own = yield* decoder(true)
        for (const name of ["READY", "GUILD_MEMBERS_CHUNK", "AN_UNKNOWN_NAME"]) {
          const payload = own.decode(frame(name, { a: 1 }))
          assert.notInstanceOf(payload, UnparsedPayload)
          assert.deepInclude(payload, { t: name, d: { a: 1 } })
        }
      })
    )
  )
})
