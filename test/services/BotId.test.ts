import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { botIdOf } from "../../src/services/BotId.ts"

const idOf = (token: string) => botIdOf(Redacted.make(token))

describe("the bot's id in a token", () => {
  it("is read with and without padding", () => {
    assert.strictEqual(idOf("MTIzNDU2Nzg5MDEyMzQ1Njc4.G1.secret"), "123456789012345678")
    assert.strictEqual(idOf("MTIzNDU2Nzg5MDEyMzQ1Njc4OQ==.G1.secret"), "1234567890123456789")
    assert.strictEqual(idOf("MTIzNDU2Nzg5MDEyMzQ1Njc4OQ.G1.secret"), "1234567890123456789")
  })

  it("is undefined in one that was copied badly, whatever its form", () => {
    for (const token of [
      "a.b.c",
      "",
      ".",
      "..",
      "===.b.c",
      "MTIz.b.c",
      "MTIzNDU2Nzg5MDEyMzQ1Njc4",
      "é.ü.ß",
      "a b.c.d"
    ]) {
      assert.isUndefined(idOf(token), token)
    }
  })
})
