import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { eventOf, frameOf } from "../../src/cluster/DiscordShard.ts"
import { encodeSendEvent, SendEvent } from "../../src/schema/SendEvent.ts"

const events: ReadonlyArray<SendEvent> = [
  SendEvent.updatePresence({ status: PresenceUpdateStatus.Idle, activities: [], since: null, afk: false }),
  SendEvent.updateVoiceState({ guild_id: "1", channel_id: null, self_mute: false, self_deaf: true }),
  SendEvent.requestGuildMembers({ guild_id: "1", query: "ä", limit: 0 }),
  SendEvent.requestSoundboardSounds({ guild_ids: ["1", "2"] }),
  SendEvent.requestChannelInfo({ guild_id: "1", fields: ["status"] }),
  SendEvent.raw(99, { anything: [1, "two", null] })
]

describe("a payload for another machine", () => {
  for (const event of events) {
    it.effect(`travels as the frame that Discord gets, and arrives as it was: op ${event.op}`, () =>
      Effect.gen(function* () {
        const sent = yield* Effect.fromResult(frameOf(event))
        assert.strictEqual(sent.frame, Result.getOrThrow(encodeSendEvent(event)))
        assert.deepStrictEqual(yield* eventOf(sent), event)
      })
    )
  }

  it("is checked where it is sent", () => {
    const invalid = frameOf(SendEvent.requestGuildMembers({ guild_id: "1", query: "", limit: -1 }))
    assert.strictEqual(Result.isFailure(invalid) ? invalid.failure.field : undefined, "d.limit")
  })
})
