import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { parseEventNames } from "../../src/cli/EventNames.ts"
import { parseDuration } from "../../src/cli/Flags.ts"
import { parseShards } from "../../src/schema/ShardSelection.ts"
import eventNames from "../fixtures/dispatch-events.json" with { type: "json" }

const millisOf = (text: string) => Result.map(parseDuration(text), Duration.toMillis)

describe("Flags", () => {
  it("reads durations", () => {
    expect(millisOf("500ms")).toEqual(Result.succeed(500))
    expect(millisOf("10s")).toEqual(Result.succeed(10_000))
    expect(millisOf("1.5m")).toEqual(Result.succeed(90_000))
    expect(millisOf("1h")).toEqual(Result.succeed(3_600_000))
    for (const text of ["", "10", "s", "-1s", "0s", "1d", "1 0s", "ten seconds", "NaNs"]) {
      expect(Result.isFailure(parseDuration(text)), text).toBe(true)
    }
  })

  it("reads counts of shards, and ids of a total", () => {
    expect(parseShards("2")).toEqual(Result.succeed(2))
    expect(parseShards("2,3/4")).toEqual(Result.succeed({ ids: [2, 3], total: 4 }))
    expect(parseShards("2, 3 / 4")).toEqual(Result.succeed({ ids: [2, 3], total: 4 }))
    for (const text of ["", "x", "2,3", "/4", "2/", "-1", "1.5"]) {
      expect(Result.isFailure(parseShards(text)), text).toBe(true)
    }
  })

  it("knows every event of Discord's, in any case", () => {
    expect(parseEventNames(eventNames.join(","))).toEqual(Result.succeed(new Set(eventNames)))
    expect(parseEventNames("ready, message_create")).toEqual(Result.succeed(new Set(["READY", "MESSAGE_CREATE"])))
  })

  it("names the nearest events to one that it does not know", () => {
    expect(parseEventNames("READY,MESSAGE_CREAT")).toEqual(
      Result.fail('"MESSAGE_CREAT" is not an event. Did you mean MESSAGE_CREATE?')
    )
    expect(parseEventNames(" , ")).toEqual(Result.fail("it takes at least one event, such as MESSAGE_CREATE"))
  })
})
