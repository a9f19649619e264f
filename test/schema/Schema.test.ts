import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { SessionStartLimit } from "../../src/schema/GatewayInfo.ts"
import { isTrustedResumeUrl } from "../../src/schema/GatewayUrl.ts"
import { namesOfIntents, parseIntents, privilegedIntentsIn } from "../../src/schema/Intents.ts"
import { decodePayload, isDispatch, type Payload } from "../../src/schema/Payload.ts"
import { encodeHandshake, identify } from "../../src/schema/Handshake.ts"
import { ShardId, shardOfGuild } from "../../src/schema/ShardId.ts"

describe("intents", () => {
  it("are read from names, text and numbers", () => {
    for (const input of [
      "GUILDS,GUILD_MESSAGES",
      " guilds | GUILD_MESSAGES ",
      ["GUILDS", "GUILD_MESSAGES"],
      513,
      "513"
    ]) {
      assert.deepStrictEqual(parseIntents(input as "513"), Result.succeed(513), String(input))
    }
    assert.deepStrictEqual(parseIntents(""), Result.succeed(0))
    assert.deepStrictEqual(namesOfIntents(513), ["GUILDS", "GUILD_MESSAGES"])
    assert.deepStrictEqual(privilegedIntentsIn(513 | 2), ["GUILD_MEMBERS"])
  })

  it("name what is wrong", () => {
    const description = (input: string | number) => Result.getOrThrow(Result.flip(parseIntents(input)))
    assert.include(description("GUILD"), '"GUILD" is not an intent. The intents are: GUILDS, GUILD_MEMBERS')
    assert.include(description(1.5), "1.5")
    assert.include(description(2 ** 40), "1099511627776")
    assert.include(description("toString"), '"toString" is not an intent')
  })
})

describe("payloads", () => {
  it("are handed on as they came", () => {
    const payload = Result.getOrThrow(decodePayload('{"op":0,"d":{"a":[1,null]},"s":7,"t":"X","more":1}', 3))
    assert.deepStrictEqual(payload, { op: 0, d: { a: [1, null] }, s: 7, t: "X", shard: 3 })
    assert.deepStrictEqual(Result.getOrThrow(decodePayload('{"op":11}', 0)), {
      op: 11,
      d: null,
      s: null,
      t: null,
      shard: 0
    })
    assert.strictEqual(Result.getOrThrow(decodePayload('{"op":99,"d":1}', 0)).op, 99)
  })

  it("are narrowed by name", () => {
    const payload: Payload = { op: 0, d: { content: "hi" }, s: 1, t: "MESSAGE_CREATE", shard: 0 }
    assert.isTrue(isDispatch(payload, "MESSAGE_CREATE") && payload.d.content === "hi")
    assert.isFalse(isDispatch(payload, "MESSAGE_DELETE"))
  })

  const wrong = [
    "",
    "{",
    "null",
    "[]",
    "1",
    '"secret content"',
    "{}",
    '{"op":"0"}',
    '{"op":1.5}',
    '{"op":-1}',
    '{"op":0,"d":{},"s":"1","t":"X"}',
    '{"op":0,"d":{},"s":1.5,"t":"X"}',
    '{"op":0,"d":{},"s":null,"t":"X"}',
    '{"op":0,"d":{"secret":"content"},"s":1}',
    '{"op":0,"d":{},"s":1,"t":5}'
  ]
  for (const frame of wrong) {
    it(`are refused when malformed, without a word of their content: ${frame}`, () => {
      const error = Result.getOrThrow(Result.flip(decodePayload(frame, 0)))
      assert.strictEqual(error._tag, "MalformedPayload")
      assert.notInclude(error.message, "secret")
    })
  }
})

describe("IDENTIFY", () => {
  it("lays the token bare only in the frame", () => {
    const event = identify(new ShardId({ id: 1, total: 2 }), {
      token: Redacted.make("secret"),
      intents: 1,
      properties: { os: "a", browser: "b", device: "c" },
      presence: undefined,
      largeThreshold: undefined,
      compress: false,
      capabilities: 0
    })
    assert.notInclude(JSON.stringify(event), "secret")
    assert.deepStrictEqual(JSON.parse(encodeHandshake(event)), {
      op: 2,
      d: { token: "secret", intents: 1, properties: { os: "a", browser: "b", device: "c" }, shard: [1, 2] }
    })
  })
})

describe("shards", () => {
  it("are found by guild", () => {
    assert.strictEqual(shardOfGuild("197038439483310086", 16), 2)
    assert.strictEqual(shardOfGuild("0", 16), 0)
    assert.strictEqual(new ShardId({ id: 17, total: 32 }).bucket(16), 1)
  })
})

describe("the day's limit of IDENTIFYs", () => {
  const decode = (reset_after: number) =>
    Schema.decodeResult(SessionStartLimit)({ total: 1000, remaining: 0, reset_after, max_concurrency: 1 })
  it("is taken when it names a time that will come", () => {
    for (const time of [0, 86_400_000]) assert.isTrue(Result.isSuccess(decode(time)), String(time))
    for (const time of [-1, Infinity, 1e300]) assert.isTrue(Result.isFailure(decode(time)), String(time))
  })
})

describe("resume_gateway_url", () => {
  const trusted = [
    ["wss://gateway-us-east1-b.discord.gg", "wss://gateway.discord.gg"],
    ["wss://gateway.discord.gg/", "wss://gateway.discord.gg"],
    ["ws://127.0.0.1:4001/resume", "ws://localhost:4000"],
    ["wss://a.proxy.example", "wss://proxy.example"],
    ["wss://proxy.example", "ws://proxy.example"]
  ] as const
  const refused = [
    ["wss://gateway.discord.gg.evil.example", "wss://gateway.discord.gg"],
    ["wss://evildiscord.gg", "wss://gateway.discord.gg"],
    ["ws://gateway.discord.gg", "wss://gateway.discord.gg"],
    ["https://gateway.discord.gg", "wss://gateway.discord.gg"],
    ["wss://b.example.co.uk", "wss://a.example.co.uk"],
    ["ws://127.0.0.1", "ws://10.0.0.1"],
    ["nonsense", "wss://gateway.discord.gg"]
  ] as const
  it("is trusted on the domain that we connected to", () => {
    for (const [resume, main] of trusted) assert.isTrue(isTrustedResumeUrl(resume, main), resume)
    for (const [resume, main] of refused) assert.isFalse(isTrustedResumeUrl(resume, main), resume)
  })
})
