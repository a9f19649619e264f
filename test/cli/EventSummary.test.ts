import { describe, expect, it } from "@effect/vitest"
import { summaryOf } from "../../src/cli/EventSummary.ts"

const summary = (t: string, d: unknown) => summaryOf({ op: 0, t, s: 1, d, shard: 0 })

describe("EventSummary", () => {
  it("tells who wrote what", () => {
    expect(summary("MESSAGE_CREATE", { author: { username: "ada", global_name: "Ada" }, content: "hi" })).toBe(
      "Ada: hi"
    )
    expect(summary("MESSAGE_CREATE", { author: { username: "ada", global_name: null }, content: "hi" })).toBe("ada: hi")
  })

  it("tells what a message without text has instead", () => {
    const author = { username: "ada" }
    expect(summary("MESSAGE_CREATE", { author, content: "", attachments: [{}, {}] })).toBe("ada: 2 attachments")
    expect(summary("MESSAGE_CREATE", { author, content: "", attachments: [], embeds: [{}] })).toBe("ada: 1 embed")
    expect(summary("MESSAGE_CREATE", { author, content: "" })).toBe("ada: (without content)")
  })

  it("tells of guilds, presences, reactions and commands", () => {
    expect(summary("READY", { user: { username: "bot" }, guilds: [{}] })).toBe("bot, 1 guild")
    expect(summary("GUILD_CREATE", { name: "Makers", member_count: 3 })).toBe("Makers, 3 members")
    expect(summary("GUILD_DELETE", { id: "7", unavailable: true })).toBe("7 (unavailable)")
    expect(summary("PRESENCE_UPDATE", { user: { id: "7" }, status: "idle" })).toBe("7 is idle")
    expect(summary("MESSAGE_REACTION_ADD", { user_id: "7", emoji: { name: "👍" } })).toBe("7 👍")
    expect(summary("INTERACTION_CREATE", { member: { user: { username: "ada" } }, data: { name: "ping" } })).toBe(
      "ada /ping"
    )
  })

  it("finds a name in events that it does not know", () => {
    expect(summary("CHANNEL_CREATE", { name: "general" })).toBe("general")
    expect(summary("constructor", { name: "general" })).toBe("general")
    expect(summary("SOMETHING_NEW", { member: { user: { username: "ada" } } })).toBe("ada")
  })

  it("makes do with data that is nothing like Discord's", () => {
    const names = ["MESSAGE_CREATE", "READY", "GUILD_CREATE", "PRESENCE_UPDATE", "INTERACTION_CREATE", "__proto__", "X"]
    for (const name of names) {
      for (const d of [null, undefined, 7, "text", [], {}, { author: 7, content: {}, guilds: "x", user: [null] }]) {
        expect(typeof summary(name, d)).toBe("string")
      }
    }
  })
})
