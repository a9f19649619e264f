import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import * as Option from "effect/Option"
import { guildOf } from "../../src/gateway/PayloadGuild.ts"
import { guildOfText } from "../../src/relay/GuildOfText.ts"
import { partitionOf, shardOfId } from "../../src/relay/RelayRecord.ts"
import { UnparsedPayload } from "../../src/schema/UnparsedPayload.ts"

const textOf = (t: string, d: unknown, space?: number) => JSON.stringify({ t, s: 1, op: 0, d }, undefined, space)
const guild = (t: string, d: unknown) => Option.getOrThrow(guildOfText(t, textOf(t, d)))

describe("the guild of a dispatch", () => {
  it("is read on its text, in whatever place it stands", () => {
    assert.strictEqual(guild("MESSAGE_CREATE", { id: "1", guild_id: "2" }), "2")
    assert.strictEqual(guild("MESSAGE_CREATE", { guild_id: "2", content: "x" }), "2")
    assert.strictEqual(guild("GUILD_CREATE", { channels: [{ id: "3", guild_id: "4" }], id: "1" }), "1")
  })

  it("is not one of what is quoted or referred to", () => {
    assert.isUndefined(guild("MESSAGE_CREATE", { message_reference: { guild_id: "3" } }))
    assert.strictEqual(guild("MESSAGE_CREATE", { message_reference: { guild_id: "3" }, guild_id: "2" }), "2")
    assert.isUndefined(guild("MESSAGE_CREATE", { content: '{"guild_id":"3"}' }))
    assert.isUndefined(guild("MESSAGE_CREATE", { content: '\\","guild_id":"3' }))
    assert.isUndefined(guild("MESSAGE_CREATE", { guild_id: null }))
  })

  it("is left to the parser where the text is not as Discord writes it", () => {
    assert.isTrue(Option.isNone(guildOfText("MESSAGE_CREATE", textOf("MESSAGE_CREATE", { guild_id: "2" }, 2))))
  })

  it("is that which the parser finds, whatever the payload", () => {
    const keys = FastCheck.constantFrom("guild_id", "id", "d", "content", '"guild_id":', "guild_id\\")
    const { tree } = FastCheck.letrec((tie) => ({
      tree: FastCheck.oneof(
        { maxDepth: 3 },
        FastCheck.string({ unit: FastCheck.constantFrom('"', "\\", "{", "}", "[", ":", ",", "a", "ž", "\n") }),
        FastCheck.constantFrom("123", '"guild_id":"9"', null, 1.5, true),
        FastCheck.dictionary(keys, tie("tree"), { maxKeys: 4 }),
        FastCheck.array(tie("tree"), { maxLength: 3 })
      )
    }))
    FastCheck.assert(
      FastCheck.property(FastCheck.dictionary(keys, tree, { maxKeys: 5 }), (d) => {
        const text = textOf("MESSAGE_CREATE", d)
        const parsed = guildOf({ op: 0, s: 1, t: "MESSAGE_CREATE", shard: 0, d: JSON.parse(text).d })
        // An id has no escapes.
        if (parsed !== undefined && JSON.stringify(parsed) !== `"${parsed}"`) return
        assert.strictEqual(
          Option.getOrElse(guildOfText("MESSAGE_CREATE", text), () => parsed),
          parsed
        )
      }),
      { numRuns: 2000 }
    )
  })
})

describe("a partition", () => {
  it("has its share of guilds with ids as Discord gives them", () => {
    const counts = Array.from({ length: 64 }, () => 0)
    for (let n = 0n; n < 6400n; n++) {
      const partition = partitionOf(String(((1_000_000_000n + n * 7_919n) << 22n) + (n % 3n)), 64)
      counts[partition] = (counts[partition] ?? 0) + 1
    }
    assert.isAbove(Math.min(...counts), 50)
    assert.isBelow(Math.max(...counts), 200)
  })
})

describe("an id", () => {
  it("names the shard", () => {
    assert.strictEqual(shardOfId("a session:12:345"), 12)
    assert.isUndefined(shardOfId("nothing"))
  })
})

describe("a payload that is not parsed", () => {
  it("is parsed when it is looked at", () => {
    const payload = new UnparsedPayload("MESSAGE_CREATE", 1, 0, textOf("MESSAGE_CREATE", { content: "x" }))
    assert.deepStrictEqual(payload.d, { content: "x" })
    assert.isNull(new UnparsedPayload("MESSAGE_CREATE", 1, 0, '{"t":').d)
  })
})
