import { assert, describe, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { kindNames, kinds } from "../../delivery/Kinds.ts"
import { prove, timeKeyed } from "../../delivery/Proof.ts"

describe("a program whose session is in a file", () => {
  for (const kind of kindNames) {
    const { endedBy } = kinds[kind]
    it.live(`loses nothing${endedBy === null ? "" : ` over three times ${endedBy}`}: ${kind}`, () =>
      Effect.gen(function* () {
        const { behind, events, identifies, lost, outOfOrder, redelivered, resumes, untold } = yield* prove(kind, 3)
        yield* Console.log(`${kind}: ${events} events, ${redelivered} redelivered, ${resumes} RESUMEs`)
        assert.strictEqual(lost, 0, "lost")
        assert.strictEqual(untold, 0, "redelivered and not told so")
        assert.strictEqual(identifies, 1, "IDENTIFYs")
        assert.strictEqual(behind, 0, "RESUMEs behind a heartbeat")
        assert.strictEqual(outOfOrder, 0, "out of the order of a guild")
        if (endedBy === null) assert.strictEqual(redelivered, 0, "in one process everything comes once")
      })
    )
  }

  it.live("keeps the order of each guild with sixteen handlers at once", () =>
    Effect.gen(function* () {
      const { events, outOfOrder, ratio } = yield* timeKeyed(5000, 200)
      yield* Console.log(`5000 events, 200 guilds, 16 at once: ${ratio.toFixed(2)} times the ideal`)
      assert.strictEqual(events, 5000)
      assert.strictEqual(outOfOrder, 0)
    })
  )
})
