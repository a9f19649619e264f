import { assert, describe, it } from "@effect/vitest"
import { page } from "../support/Markdown.ts"
import { own } from "./Client.ts"
import { incidents } from "./Incidents.ts"
import { before, broken, doubled, resumed, type Wire } from "./Wire.ts"

const session = {
  id: "a",
  shard: [0, 1],
  intents: 0,
  capabilities: 0,
  connected: true,
  alive: true,
  dispatched: []
} as const

const connection = (id: number, openedAt: number, frames: Wire["connections"][number]["frames"]) => ({
  id,
  openedAt,
  frames,
  url: "ws://main/",
  host: "main" as const,
  end: undefined,
  shard: 0,
  sessionId: "a"
})

const start: Wire = {
  now: 1000,
  counts: {
    dials: 1,
    connections: 1,
    identifies: 1,
    resumes: 0,
    heartbeats: 0,
    httpRequests: 1,
    identifyViolations: 0,
    overruns: 0
  },
  dials: [],
  connections: [connection(1, 0, [{ at: 10, op: 2, payload: { op: 2, d: {} } }])],
  sessions: [{ ...session, sequence: 7 }],
  requests: [],
  lines: [],
  problem: undefined,
  ended: undefined
}

/** The client has opened a second connection, on which it has sent this. */
const again = (op: number, d: object): Wire => ({
  ...start,
  now: 5000,
  connections: [...start.connections, connection(2, 2000, [{ at: 2010, op, payload: { op, d } }])]
})

const line = (content: string) => ({ t: "MESSAGE_CREATE", content })

describe("the judge of an incident", () => {
  it("takes a RESUME from the last sequence, and nothing else", () => {
    const since = before(start)
    assert.isUndefined(resumed(again(6, { session_id: "a", seq: 7 }), since))
    assert.strictEqual(
      resumed(again(6, { session_id: "a", seq: 6 }), since),
      "it resumes from sequence 6, though it was sent 7 before"
    )
    assert.strictEqual(
      resumed(again(6, { session_id: "b", seq: 7 }), since),
      "it resumes a session that it did not have"
    )
    assert.strictEqual(resumed(again(2, {}), since), "it sends IDENTIFY, though its session can be resumed")
  })

  it("sees an old connection that goes on beside the new one", () => {
    const wire = again(6, { session_id: "a", seq: 7 })
    assert.isUndefined(doubled(wire))
    const [old, later] = wire.connections
    if (old === undefined || later === undefined) return assert.fail("there are two")
    const beat = { at: 4000, op: 1, payload: { op: 1, d: 7 } }
    assert.strictEqual(
      doubled({ ...wire, connections: [{ ...old, frames: [...old.frames, beat] }, later] }),
      "it goes on with an old connection beside the new one"
    )
  })

  it("sees limits that are not kept, refusals, sessions that are left, and events twice or out of order", () => {
    const [only] = start.connections
    if (only === undefined) return assert.fail("there is one")
    const ended = (by: "client" | "server", code: number, reason: string): Wire => ({
      ...start,
      connections: [{ ...only, end: { at: 900, by, how: "close", code, reason } }]
    })
    assert.isUndefined(broken(start, false))
    assert.match(broken({ ...start, counts: { ...start.counts, identifyViolations: 1 } }, false) ?? "", /5 seconds/)
    assert.match(broken({ ...start, counts: { ...start.counts, overruns: 1 } }, false) ?? "", /resets the token/)
    assert.match(broken(ended("server", 4003, "Not authenticated."), false) ?? "", /4003/)
    assert.match(broken(ended("client", 1000, ""), false) ?? "", /ends the session/)
    assert.isUndefined(broken(ended("client", 1000, ""), true))
    assert.isUndefined(broken({ ...start, lines: [line("mark-1"), line("mark-2")] }, false))
    assert.match(broken({ ...start, lines: [line("mark-1"), line("mark-1")] }, false) ?? "", /twice/)
    assert.match(broken({ ...start, lines: [line("mark-2"), line("mark-1")] }, false) ?? "", /order/)
  })
})

describe("the incidents", () => {
  it("are forty at least, each with a name of its own, its public threads, and a row in docs/incidents.md", () => {
    assert.isAtLeast(incidents.length, 40)
    assert.strictEqual(new Set(incidents.map(({ id }) => id)).size, incidents.length)
    const text = page("docs/incidents.md")
    for (const { client, discord, id, sources } of incidents) {
      for (const source of sources) assert.match(source, /^[\w.-]+\/[\w.-]+#\d+$/, id)
      assert.include(text, `### ${id}\n`)
      assert.include(text, `${discord} ${client}`)
    }
  })

  it("have all been held by this library when docs/incidents.md was written", () => {
    const [, held, of] =
      new RegExp(`\\| ${own.name} +\\| ${own.version} +\\| +(\\d+) \\| +(\\d+) \\|`).exec(page("docs/incidents.md")) ??
      []
    assert.strictEqual(Number(held), incidents.length)
    assert.strictEqual(Number(of), incidents.length)
  })
})
