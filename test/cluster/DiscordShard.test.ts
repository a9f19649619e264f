import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ClusterMessage } from "../../src/cluster/ClusterMessage.ts"
import { bodies, ClusterShardStatus, eventOf, frameOf, movingStatus } from "../../src/cluster/DiscordShard.ts"
import { GatewayError } from "../../src/schema/GatewayError.ts"
import { SendQueueFull } from "../../src/schema/SendError.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
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

describe("a message between machines", () => {
  it.effect("arrives as it was sent", () =>
    Effect.gen(function* () {
      const status = new ClusterShardStatus({ shard: new ShardId({ id: 3, total: 16 }), ...movingStatus })
      const refused = Result.fail(new GatewayError({ reason: new SendQueueFull({ capacity: 2 }), shard: 3 }))
      const answers = yield* Effect.all([
        Effect.flatMap(bodies.status.write(status, 1), bodies.status.read),
        Effect.flatMap(bodies.done.write(refused, 1), bodies.done.read),
        Effect.flatMap(bodies.done.write(Result.succeed(undefined), 1), bodies.done.read)
      ])
      assert.deepStrictEqual(answers, [status, refused, Result.succeed(undefined)])
    })
  )

  it.effect("may have more in it than its reader knows, as long as the version is the same", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ frame: "{}", raw: false, priority: "high" })
      assert.deepStrictEqual(yield* bodies.frame.read(new ClusterMessage({ version: 1, body })), {
        frame: "{}",
        raw: false
      })
    })
  )
})
