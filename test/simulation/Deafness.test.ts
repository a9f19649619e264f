import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { SessionDeaf } from "../../src/schema/ConnectionError.ts"
import { ShardEvent } from "../../src/schema/ShardEvent.ts"
import type { ConnectionRecord } from "../../src/simulator/Observations.ts"
import * as Deafness from "./Deafness.ts"

const connection = (end: number | undefined): ConnectionRecord => ({
  id: 1,
  url: "",
  host: "main",
  openedAt: 0,
  end: end === undefined ? undefined : { at: end, by: "client", how: "close", code: 4000, reason: "" },
  shard: 0,
  sessionId: "a session",
  frames: []
})

const verdict = (at: number) =>
  ShardEvent.Disconnected({
    shard: 0,
    at: DateTime.makeUnsafe(at),
    reason: new SessionDeaf({ silence: Duration.minutes(11), isLasting: false })
  })

const judge = (deafened: Partial<Deafness.Deafened> | undefined, end: number | undefined, verdicts: Array<number>) =>
  Deafness.judge({
    deafened: deafened === undefined ? [] : [{ at: 1000, connection: 1, shard: 0, hasGuild: true, ...deafened }],
    connections: [connection(end)],
    events: verdicts.map(verdict),
    starts: [0]
  })

describe("the judge of deaf sessions", () => {
  it("has nothing against one that is found in time", () => {
    assert.deepStrictEqual(judge({}, 660_000, [660_000]), [])
  })

  it("expects no more of one that had no guild to ask in, which may be found all the same", () => {
    assert.deepStrictEqual(judge({ hasGuild: false }, undefined, []), [])
    assert.deepStrictEqual(judge({ hasGuild: false }, 660_000, [660_000]), [])
  })

  it("tells of one that is not found, and of a verdict on one that was not deaf", () => {
    assert.match(judge({}, undefined, []).join(), /went deaf at 1000, and was not found/)
    assert.match(judge(undefined, 660_000, [660_000]).join(), /was taken for deaf at 660000, and was not/)
  })
})
