import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as TestClock from "effect/testing/TestClock"
import { DiscordSimulator } from "disruption-gateway/testing"
import { closeCodes } from "../../src/schema/CloseCode.ts"
import { snowflake } from "../../src/simulator/Snowflakes.ts"
import { eventsOfIntent } from "../../src/simulator/EventIntents.ts"
import intents from "../fixtures/intents.json" with { type: "json" }
import { Intents } from "../../src/schema/Intents.ts"
import { connected, dial, identifyWith, mainUrl, type RawClient } from "../support/RawClient.ts"

const second = TestClock.adjust("1 second")

const identify =
  (changes: Readonly<Record<string, unknown>>) =>
  (client: RawClient): void =>
    client.identify(changes)

/** Sends a payload behind an IDENTIFY that is right. */
const after =
  ({ d, op }: { readonly op: number; readonly d: unknown }) =>
  (client: RawClient): void => {
    client.identify({ shard: [0, 2] })
    client.send(op, d)
  }

describe("a client that breaks a rule is closed with", () => {
  const broken: ReadonlyArray<readonly [code: number, what: string, (client: RawClient) => void]> = [
    [4001, "an unknown opcode", (client) => client.send(99)],
    [4002, "a frame that is not JSON", (client) => client.socket.send("{")],
    [4002, "a frame that is no payload", (client) => client.socket.send("[]")],
    [4002, "a frame of more than 4096 bytes", (client) => client.send(1, "é".repeat(2048))],
    [4002, "an IDENTIFY without properties", identify({ properties: undefined })],
    [4002, "a large_threshold of 251", identify({ large_threshold: 251 })],
    [4002, "a RESUME without seq", (client) => client.send(6, { token: "simulated-token", session_id: "1" })],
    [4003, "a presence before IDENTIFY", (client) => client.send(3, {})],
    [4004, "a wrong token", identify({ token: "wrong" })],
    [4004, "a RESUME with a wrong token", (client) => client.resume("1", 1, "wrong")],
    [4002, "a presence that is none", after({ op: 3, d: {} })],
    [4002, "a presence with a status that does not exist", after({ op: 3, d: { status: "asleep" } })],
    [4002, "activities that are none", after({ op: 3, d: { status: "idle", activities: ["chess"] } })],
    [4002, "a voice state that is none", after({ op: 4, d: null })],
    [4002, "a voice state without self_mute", after({ op: 4, d: { guild_id: "1", channel_id: null } })],
    [4002, "a request for members of no guild", after({ op: 8, d: { query: "", limit: 0 } })],
    [4002, "a request for sounds of no guilds", after({ op: 31, d: {} })],
    [4002, "a request for channels of no guild", after({ op: 43, d: { fields: [] } })],
    [4010, "a shard that is not among the shards", identify({ shard: [2, 2] })],
    [4010, "a shard that is no shard", identify({ shard: "0/2" })],
    [4011, "too few shards", identify({ shard: [0, 1] })],
    [4013, "intents that are no bit field", identify({ shard: [0, 2], intents: "513" })],
    [4013, "intents that do not exist", identify({ shard: [0, 2], intents: 1 << 30 })],
    [4002, "capabilities that are no bit field", identify({ shard: [0, 2], capabilities: ["CHANNEL_OBFUSCATION"] })],
    [4014, "intents that the bot does not have", identify({ shard: [0, 2], intents: 1 << 15 })]
  ]
  it.effect.each(broken)("%i for %s", ([code, , act]) =>
    Effect.gen(function* () {
      const client = yield* dial()
      yield* second
      act(client)
      yield* second
      assert.strictEqual(client.closed?.code, code)
      const simulator = yield* DiscordSimulator
      assert.deepInclude((yield* simulator.connections)[0]?.end, { by: "server", how: "close", code })
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ shardingRequired: 2, disallowedIntents: ["MESSAGE_CONTENT"] })))
  )

  it.effect.each([
    [4012, "wss://gateway.discord.gg/?v=8&encoding=json"],
    [4012, "wss://gateway.discord.gg/?v=11&encoding=json"],
    [4012, "wss://gateway.discord.gg/"],
    [4002, "wss://gateway.discord.gg/?v=10&encoding=etf"],
    [4002, "wss://gateway.discord.gg/?v=10&encoding=json&compress=brotli"]
  ] as const)("%i for the URL %s", ([code, url]) =>
    Effect.gen(function* () {
      const client = yield* dial(url)
      yield* second
      assert.deepStrictEqual(client.happened, ["open", "close"])
      assert.strictEqual(client.closed?.code, code)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("4005 for a second IDENTIFY, after which the session can be resumed", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      client.identify()
      yield* second
      assert.strictEqual(client.closed?.code, 4005)
      const again = yield* dial()
      yield* second
      again.resume(client.sessionId, 1)
      yield* second
      assert.deepStrictEqual(again.events, ["RESUMED"])
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("4002 for a malformed op 4; a right one is answered, and one that changes nothing is not", () =>
    Effect.gen(function* () {
      const client = yield* connected({ intents: Intents.GUILD_VOICE_STATES })
      const join = { guild_id: "1", channel_id: "2", self_mute: false, self_deaf: false }
      client.send(4, join)
      client.send(4, { ...join, channel_id: null })
      client.send(4, { ...join, channel_id: null })
      yield* second
      assert.deepStrictEqual(
        client.events.filter((event) => event.startsWith("VOICE")),
        ["VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "VOICE_STATE_UPDATE"]
      )
      client.send(4, { ...join, channel_id: "here" })
      yield* second
      assert.strictEqual(client.closed?.code, 4002)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("4007 for a sequence that the session has not reached, and the session is over", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.drop()
      const again = yield* dial()
      yield* second
      again.resume(client.sessionId, 2)
      yield* second
      assert.strictEqual(again.closed?.code, 4007)
      assert.isFalse((yield* simulator.sessions)[0]?.alive)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("4008 for 121 payloads in a minute, and not for 120", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      for (let count = 1; count < 120; count++)
        client.send(3, { status: "online", activities: [], since: null, afk: false })
      yield* second
      assert.notInclude(client.happened, "close")
      client.send(1, 1)
      yield* second
      assert.strictEqual(client.closed?.code, 4008)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("4009 for no heartbeat in two intervals, and the session is over", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* TestClock.adjust("70 seconds")
      client.send(1, 1)
      yield* TestClock.adjust("80 seconds")
      assert.notInclude(client.happened, "close")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(client.closed?.code, 4009)
      assert.isFalse((yield* simulator.sessions)[0]?.alive)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("nothing for no heartbeat, if the simulator does not mind", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(client.closed)
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ heartbeatTimeout: false })))
  )
})

describe("heartbeats", () => {
  it.effect("are acknowledged, also before IDENTIFY", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* dial()
      yield* second
      client.send(1)
      yield* second
      assert.deepStrictEqual(client.ops, [10, 11])
      assert.strictEqual((yield* simulator.counts).heartbeats, 1)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})

describe("the limits of IDENTIFY", () => {
  it.effect("one per bucket in 5 seconds: an earlier one is answered by op 9 and closes nothing", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* connected({ shard: [0, 4] })
      const other = yield* connected({ shard: [1, 4] })
      assert.deepStrictEqual(other.events, ["READY"])
      const early = yield* dial()
      yield* TestClock.adjust("30 millis")
      early.identify({ shard: [2, 4] })
      yield* second
      assert.deepInclude(early.received[1], { op: 9, d: false })
      assert.isUndefined(early.closed)
      assert.strictEqual((yield* simulator.counts).identifyViolations, 1)
      yield* TestClock.adjust("2 seconds")
      early.identify({ shard: [2, 4] })
      yield* second
      assert.deepStrictEqual(early.events, ["READY"])
      assert.strictEqual((yield* simulator.counts).identifyViolations, 1)
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ maxConcurrency: 2 })))
  )

  it.effect("one IDENTIFY beyond the day's budget ends every session and resets the token", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const first = yield* connected({ shard: [0, 2] })
      const second_ = yield* connected({ shard: [1, 2] })
      assert.strictEqual(first.closed?.code, 4004)
      assert.strictEqual(second_.closed?.code, 4004)
      assert.deepInclude(yield* simulator.counts, { identifies: 2, overruns: 1 })
      assert.isFalse((yield* simulator.sessions)[0]?.alive)
      const again = yield* connected()
      assert.strictEqual(again.closed?.code, 4004)
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ maxConcurrency: 2, sessionStartLimit: { remaining: 1 } })))
  )
})

describe("the REST API", () => {
  const get = Effect.fnUntraced(function* (path: string, token = "simulated-token") {
    const request = HttpClient.get(`https://discord.com/api/v10${path}`, {
      headers: { authorization: `Bot ${token}` }
    })
    const fiber = yield* Effect.forkChild(request)
    yield* second
    const response = yield* Fiber.join(fiber)
    return { status: response.status, body: yield* response.json }
  })

  it.effect("tells where the gateway is and how many IDENTIFYs are left", () =>
    Effect.gen(function* () {
      yield* connected()
      assert.deepStrictEqual(yield* get("/gateway/bot"), {
        status: 200,
        body: {
          url: "wss://gateway.discord.gg",
          shards: 3,
          session_start_limit: { total: 10, remaining: 6, reset_after: 3_597_990, max_concurrency: 16 }
        }
      })
      assert.deepStrictEqual(yield* get("/gateway"), { status: 200, body: { url: "wss://gateway.discord.gg" } })
      yield* TestClock.adjust("1 hour")
      const { body } = yield* get("/gateway/bot")
      assert.deepInclude(body, { shards: 3 })
      assert.include(JSON.stringify(body), `"remaining":10`)
    }).pipe(
      Effect.provide(
        DiscordSimulator.layerWith({
          shards: 3,
          maxConcurrency: 16,
          sessionStartLimit: { total: 10, remaining: 7, resetAfter: "1 hour" }
        })
      )
    )
  )

  it.effect("refuses a wrong token, and knows no other paths", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      assert.deepStrictEqual(yield* get("/gateway/bot", "wrong"), {
        status: 401,
        body: { message: "401: Unauthorized", code: 0 }
      })
      assert.strictEqual((yield* get("/users/@you")).status, 404)
      assert.deepStrictEqual(
        (yield* simulator.requests).map(({ path, status }) => [path, status]),
        [
          ["/api/v10/gateway/bot", 401],
          ["/api/v10/users/@you", 404]
        ]
      )
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})

describe("the members of a guild", () => {
  it.effect("come in a chunk, and once in 30 seconds if all are asked for", () =>
    Effect.gen(function* () {
      const client = yield* connected({ intents: Intents.GUILDS | Intents.GUILD_MEMBERS })
      const all = { guild_id: "1", query: "", limit: 0, nonce: "n" }
      client.send(8, all)
      client.send(8, all)
      client.send(8, { guild_id: "1", user_ids: ["5"], nonce: "x".repeat(33) })
      yield* second
      assert.deepStrictEqual(client.events, ["READY", "GUILD_MEMBERS_CHUNK", "RATE_LIMITED", "GUILD_MEMBERS_CHUNK"])
      assert.deepInclude(client.event("GUILD_MEMBERS_CHUNK"), {
        guild_id: "1",
        chunk_index: 0,
        chunk_count: 1,
        nonce: "n"
      })
      assert.deepStrictEqual(client.event("RATE_LIMITED"), {
        opcode: 8,
        retry_after: 30,
        meta: { guild_id: "1", nonce: "n" }
      })
      assert.deepStrictEqual(client.received.at(-1)?.d, {
        guild_id: "1",
        members: [],
        chunk_index: 0,
        chunk_count: 1,
        not_found: ["5"]
      })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})

describe("requests", () => {
  it.effect("for all members without GUILD_MEMBERS stay unanswered; those for a few do not", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      client.send(8, { guild_id: "1", query: "", limit: 0 })
      client.send(8, { guild_id: "1", query: "quiet", limit: 10, presences: true })
      yield* second
      assert.deepStrictEqual(client.events, ["READY", "GUILD_MEMBERS_CHUNK"])
      assert.notProperty(client.event("GUILD_MEMBERS_CHUNK"), "presences")
      assert.isUndefined(client.closed)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("for sounds and for channel info are answered guild by guild", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      client.send(31, { guild_ids: ["1", "2"] })
      client.send(43, { guild_id: "3", fields: ["status"] })
      client.send(3, { status: "dnd", activities: [{ name: "chess", type: 0 }], since: null, afk: false })
      yield* second
      assert.deepStrictEqual(
        client.received.slice(2).map(({ d, t }) => [t, (d as { guild_id: string }).guild_id]),
        [
          ["SOUNDBOARD_SOUNDS", "1"],
          ["SOUNDBOARD_SOUNDS", "2"],
          ["CHANNEL_INFO", "3"]
        ]
      )
      assert.isUndefined(client.closed)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})

describe("what a message says", () => {
  const said = { content: "hello", embeds: [{}], attachments: [{}], components: [{}] }
  const silent = { content: "", embeds: [], attachments: [], components: [] }
  const inGuild = { ...said, guild_id: "1", author: { id: "2" }, mentions: [] }
  const botId = snowflake(0)
  const { GUILD_MESSAGES, MESSAGE_CONTENT } = Intents
  it.effect.each([
    ["is empty without MESSAGE_CONTENT", GUILD_MESSAGES, { ...inGuild, poll: {} }, { ...inGuild, ...silent }],
    [
      "and so is the message that it answers",
      GUILD_MESSAGES,
      { guild_id: "1", referenced_message: said },
      { guild_id: "1", referenced_message: silent }
    ],
    [
      "comes with MESSAGE_CONTENT",
      GUILD_MESSAGES | MESSAGE_CONTENT,
      { ...inGuild, poll: {} },
      { ...inGuild, poll: {} }
    ],
    [
      "comes where the bot is mentioned",
      GUILD_MESSAGES,
      { ...inGuild, mentions: [{ id: botId }] },
      { ...inGuild, mentions: [{ id: botId }] }
    ],
    [
      "comes where the bot said it",
      GUILD_MESSAGES,
      { ...inGuild, author: { id: botId } },
      { ...inGuild, author: { id: botId } }
    ],
    ["comes in direct messages", GUILD_MESSAGES, said, said]
  ] as const)("%s", ([, intents, sent, seen]) =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected({ intents })
      yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: sent }])
      yield* simulator.dispatchAll([{ t: "MESSAGE_UPDATE", d: sent }])
      yield* second
      assert.deepStrictEqual(client.event("MESSAGE_CREATE"), seen)
      assert.deepStrictEqual(client.event("MESSAGE_UPDATE"), seen)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})

describe("what is recorded", () => {
  it.effect("is every frame of the client with its time, and never the token", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      client.socket.send("simulated-token, of course")
      yield* second
      const [connection] = yield* simulator.connections
      assert.deepInclude(connection, { id: 1, url: mainUrl, host: "main", openedAt: 10, shard: 0 })
      assert.strictEqual(connection?.sessionId, client.sessionId)
      assert.deepStrictEqual(connection?.frames, [
        { at: 1010, op: 2, payload: { op: 2, d: identifyWith({ token: "<token>" }) } },
        { at: 2010, op: undefined, payload: "<token>, of course" }
      ])
      assert.notInclude(JSON.stringify(yield* simulator.connections), "simulated-token")
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it("knows the events of each intent", () => {
    for (const { events, name } of intents) {
      assert.deepStrictEqual(eventsOfIntent[name as keyof typeof eventsOfIntent], events)
    }
    assert.lengthOf(Object.keys(eventsOfIntent), intents.length)
    assert.lengthOf(closeCodes, 14)
  })
})
