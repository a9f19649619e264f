import { assert, describe, it } from "@effect/vitest"
import { ActivityType, PresenceUpdateStatus } from "discord-api-types/v10"
import * as Result from "effect/Result"
import { encodeSendEvent, guildsOf, SendEvent } from "../../src/schema/SendEvent.ts"

const guild_id = "197038439483310086"

describe("payloads that a program sends", () => {
  const good: ReadonlyArray<readonly [SendEvent, wire: unknown]> = [
    [
      SendEvent.updatePresence({
        since: null,
        activities: [{ name: "chess", type: ActivityType.Playing }],
        status: PresenceUpdateStatus.Online,
        afk: false
      }),
      { op: 3, d: { since: null, activities: [{ name: "chess", type: 0 }], status: "online", afk: false } }
    ],
    [
      SendEvent.updateVoiceState({ guild_id, channel_id: null, self_mute: false, self_deaf: true }),
      { op: 4, d: { guild_id, channel_id: null, self_mute: false, self_deaf: true } }
    ],
    [SendEvent.requestGuildMembers({ guild_id, query: "", limit: 0 }), { op: 8, d: { guild_id, query: "", limit: 0 } }],
    [
      SendEvent.requestGuildMembers({ guild_id, user_ids: ["1", "2"], nonce: "x".repeat(32) }),
      { op: 8, d: { guild_id, user_ids: ["1", "2"], nonce: "x".repeat(32) } }
    ],
    [SendEvent.requestSoundboardSounds({ guild_ids: [guild_id] }), { op: 31, d: { guild_ids: [guild_id] } }],
    [SendEvent.requestChannelInfo({ guild_id, fields: ["status"] }), { op: 43, d: { guild_id, fields: ["status"] } }],
    [SendEvent.raw(99, { anything: [1] }), { op: 99, d: { anything: [1] } }]
  ]
  for (const [event, wire] of good) {
    it(`are written as they are: op ${event.op}`, () => {
      assert.deepStrictEqual(JSON.parse(Result.getOrThrow(encodeSendEvent(event))), wire)
    })
  }

  const presence = { since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false }
  const bad: ReadonlyArray<readonly [what: string, event: SendEvent, field: string]> = [
    [
      "a nonce over 32 bytes",
      SendEvent.requestGuildMembers({ guild_id, query: "", limit: 0, nonce: "ä".repeat(17) }),
      "d.nonce"
    ],
    [
      "both query and user_ids",
      SendEvent.requestGuildMembers({ guild_id, query: "a", limit: 1, user_ids: ["1"] } as never),
      "d.query"
    ],
    ["neither query nor user_ids", SendEvent.requestGuildMembers({ guild_id } as never), "d.query"],
    ["query without limit", SendEvent.requestGuildMembers({ guild_id, query: "a" } as never), "d.limit"],
    ["101 user_ids", SendEvent.requestGuildMembers({ guild_id, user_ids: Array(101).fill("1") }), "d.user_ids"],
    [
      "a guild that is no snowflake",
      SendEvent.updateVoiceState({ guild_id: "here", channel_id: null, self_mute: false, self_deaf: false }),
      "d.guild_id"
    ],
    [
      "a voice state without channel_id",
      SendEvent.updateVoiceState({ guild_id, self_mute: false, self_deaf: false } as never),
      "d.channel_id"
    ],
    ["an unknown status", SendEvent.updatePresence({ ...presence, status: "away" as never }), "d.status"],
    ["no guilds", SendEvent.requestSoundboardSounds({ guild_ids: [] }), "d.guild_ids"],
    ["an unknown field", SendEvent.requestChannelInfo({ guild_id, fields: ["topic" as never] }), "d.fields.0"],
    ["over 4096 bytes", SendEvent.raw(3, { text: "ä".repeat(2048) }), "d"],
    ["what is no JSON", SendEvent.raw(3, 1n), "d"]
  ]
  for (const [what, event, field] of bad) {
    it(`are refused with the field's name: ${what}`, () => {
      const error = Result.getOrThrow(Result.flip(encodeSendEvent(event)))
      assert.strictEqual(error._tag, "InvalidSendEvent")
      assert.strictEqual(error.field, field, error.message)
    })
  }

  it("may be exactly 4096 bytes", () => {
    const overhead = JSON.stringify({ op: 3, d: "" }).length
    assert.isTrue(Result.isSuccess(encodeSendEvent(SendEvent.raw(3, "x".repeat(4096 - overhead)))))
    assert.isTrue(Result.isFailure(encodeSendEvent(SendEvent.raw(3, "x".repeat(4097 - overhead)))))
  })

  it("know their guilds", () => {
    assert.deepStrictEqual(guildsOf(SendEvent.requestSoundboardSounds({ guild_ids: ["1", "2"] })), ["1", "2"])
    assert.deepStrictEqual(guildsOf(SendEvent.raw(99, { guild_id: "7" })), ["7"])
    assert.deepStrictEqual(guildsOf(SendEvent.raw(99, null)), [])
  })
})
