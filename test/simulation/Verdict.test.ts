import { assert, describe, it } from "@effect/vitest"
import type { Deed, Delivered } from "./Consumer.ts"
import * as ProtocolChecks from "./ProtocolChecks.ts"
import * as Verdict from "./Verdict.ts"

const nameOf = (s: number) => (s === 1 ? "READY" : "MESSAGE_CREATE")

/** A session of so many dispatches. */
const session = (id: string, length: number, heldUntil = length): Verdict.SessionEvidence => ({
  id,
  shard: 0,
  dispatched: Array.from({ length }, (_, index) => ({
    s: index + 1,
    t: nameOf(index + 1),
    n: index,
    guild: "",
    wanted: true
  })),
  heldUntil
})

const got = (session: string, ...sequences: ReadonlyArray<number>): ReadonlyArray<Delivered> =>
  sequences.map((s) => ({ shard: 0, session, s, t: nameOf(s), n: s - 1, guild: "" }))

const begun = (...delivered: ReadonlyArray<Delivered>): ReadonlyArray<Deed> =>
  delivered.map((delivered) => ({ did: "begin", delivered }))

const finished = (...delivered: ReadonlyArray<Delivered>): ReadonlyArray<Deed> =>
  delivered.map((delivered) => ({ did: "finish", delivered }))

const consumer = (log: ReadonlyArray<Deed>, order: "shard" | "guild" = "shard"): Verdict.ConsumerEvidence => ({
  log,
  beginsBy: order,
  finishesBy: order
})

/** Handles one after the other, so many of them. */
const oneByOne = (handed: ReadonlyArray<Delivered>, processed = handed.length): ReadonlyArray<Deed> =>
  handed.flatMap((delivered, index) => [...begun(delivered), ...(index < processed ? finished(delivered) : [])])

const process = (
  handed: ReadonlyArray<Delivered>,
  rest: Partial<Verdict.ProcessEvidence> & { readonly processed?: number } = {}
): Verdict.ProcessEvidence => ({
  end: "running",
  wasIdle: true,
  consumer: consumer(oneByOne(handed, rest.processed)),
  second: undefined,
  sharesWork: false,
  isTold: false,
  begunAfter: new Map(),
  reached: [],
  ...rest
})

const sums = ({ delivered, duplicated, gone, lost, outOfOrder }: Verdict.Verdict) => ({
  delivered,
  lost,
  duplicated,
  outOfOrder,
  gone
})

const none = { delivered: 0, lost: 0, duplicated: 0, outOfOrder: 0, gone: 0 }

describe("the verdict", () => {
  it("has nothing against a client that got everything", () => {
    const verdict = Verdict.judge({ sessions: [session("a", 4)], processes: [process(got("a", 1, 2, 3, 4))] })
    assert.deepStrictEqual(sums(verdict), { ...none, delivered: 4 })
    assert.deepStrictEqual(verdict.findings, [])
  })

  it("finds what was left out, in the middle and at the end", () => {
    const verdict = Verdict.judge({ sessions: [session("a", 5)], processes: [process(got("a", 1, 2, 4))] })
    assert.deepStrictEqual(sums(verdict), { ...none, delivered: 3, lost: 2 })
    assert.include(verdict.findings[0], "3 of session a")
    assert.include(verdict.findings[1], "5 of session a: Discord still held it")
  })

  it("does not ask for what ended with the session", () => {
    const verdict = Verdict.judge({ sessions: [session("a", 5, 0)], processes: [process(got("a", 1, 2, 3))] })
    assert.deepStrictEqual(sums(verdict), { ...none, delivered: 3, gone: 2 })
  })

  it("asks for what had reached a process that lived on, though the session ended", () => {
    const reached = [4, 5].map((s) => ({ sessionId: "a", s }))
    const verdict = Verdict.judge({
      sessions: [session("a", 5, 0)],
      processes: [process(got("a", 1, 2, 3, 4), { reached })]
    })
    assert.deepStrictEqual(sums(verdict), { ...none, delivered: 4, lost: 1 })
  })

  it("does not ask for events that the client did not want", () => {
    const { dispatched, ...rest } = session("a", 5)
    const unwanted = dispatched.map(({ guild, n, s, t }) => ({ s, t, n, guild, wanted: s !== 3 }))
    const verdict = Verdict.judge({
      sessions: [{ ...rest, dispatched: unwanted }],
      processes: [process(got("a", 1, 2, 4, 5))]
    })
    assert.deepStrictEqual(sums(verdict), { ...none, delivered: 4 })
  })

  it("finds what came twice in one process", () => {
    const verdict = Verdict.judge({ sessions: [session("a", 3)], processes: [process(got("a", 1, 2, 2, 3))] })
    assert.deepStrictEqual(sums(verdict), { ...none, delivered: 3, duplicated: 1 })
  })

  it("finds what came out of order", () => {
    const verdict = Verdict.judge({ sessions: [session("a", 3)], processes: [process(got("a", 1, 3, 2))] })
    assert.strictEqual(verdict.outOfOrder, 1)
  })

  it("finds a session that comes back after another one", () => {
    const handed = [...got("a", 1, 2), ...got("b", 1), ...got("a", 3)]
    const verdict = Verdict.judge({ sessions: [session("a", 3), session("b", 1)], processes: [process(handed)] })
    assert.strictEqual(verdict.outOfOrder, 1)
  })

  it("finds what was not dispatched as it came", () => {
    const [ready, other] = got("a", 1, 2)
    assert.isDefined(ready)
    assert.isDefined(other)
    const handed = [ready, { ...other, n: 77 }].flatMap((delivered) => (delivered === undefined ? [] : [delivered]))
    const verdict = Verdict.judge({ sessions: [session("a", 2)], processes: [process(handed as never)] })
    assert.strictEqual(verdict.outOfOrder, 1)
  })

  it("lets things come again after a crash, but not leave any out", () => {
    const crashed = process(got("a", 1, 2, 3, 4), { end: "crashed", wasIdle: false, processed: 2 })
    const again = Verdict.judge({ sessions: [session("a", 5)], processes: [crashed, process(got("a", 2, 3, 4, 5))] })
    assert.deepStrictEqual(sums(again), { ...none, delivered: 5 })
    // Payloads that it had not finished with are to come again.
    const leftOut = Verdict.judge({ sessions: [session("a", 5)], processes: [crashed, process(got("a", 4, 5))] })
    assert.deepStrictEqual(sums(leftOut), { ...none, delivered: 4, lost: 1 })
  })

  it("asks that a program is told of what comes again, where it can be told", () => {
    const judge = (isTold: boolean, redelivered: boolean) => {
      const again = got("a", 2, 3).map((delivered) => Object.assign({ redelivered }, delivered))
      const { redelivered: count, untold } = Verdict.judge({
        sessions: [session("a", 3)],
        processes: [process(got("a", 1, 2), { end: "crashed", processed: 1 }), process(again, { isTold })]
      })
      return [count, untold]
    }
    assert.deepStrictEqual(judge(true, true), [1, 0])
    assert.deepStrictEqual(judge(true, false), [1, 1])
    assert.deepStrictEqual(judge(false, false), [1, 0])
  })

  it("lets nothing come again after a stop in peace", () => {
    const processes = (wasIdle: boolean) => [
      process(got("a", 1, 2, 3), { end: "stopped", wasIdle }),
      process(got("a", 3, 4, 5))
    ]
    const peaceful = Verdict.judge({ sessions: [session("a", 5)], processes: processes(true) })
    assert.strictEqual(peaceful.duplicated, 1)
    const busy = Verdict.judge({ sessions: [session("a", 5)], processes: processes(false) })
    assert.strictEqual(busy.duplicated, 0)
  })

  it("lets begin again what was not handled, and nothing else", () => {
    const [ready, message] = got("a", 1, 2) as readonly [Delivered, Delivered]
    const judge = (...log: ReadonlyArray<ReadonlyArray<Deed>>) =>
      Verdict.judge({
        sessions: [session("a", 2)],
        processes: [{ ...process([]), consumer: consumer(log.flat()) }]
      })
    const again = judge(oneByOne([ready]), begun(message), begun(message), finished(message))
    assert.deepStrictEqual(sums(again), { ...none, delivered: 2 })
    assert.strictEqual(judge(oneByOne([ready, message]), begun(message)).duplicated, 1)
    assert.strictEqual(judge(oneByOne([ready, message]), finished(message)).duplicated, 1)
    const never = judge(oneByOne([ready]), begun(message))
    assert.deepStrictEqual(sums(never), { ...none, delivered: 1, lost: 1 })
  })

  it("judges by guild the order of handlers that run side by side", () => {
    const guilds = ["", "x", "y", "x"]
    const dispatched = session("a", 4).dispatched.map(({ n, s, t, wanted }, index) => {
      return { s, t, n, wanted, guild: guilds[index] ?? "" }
    })
    const [r, x1, y1, x2] = got("a", 1, 2, 3, 4).map(({ n, s, session, shard, t }, index) => {
      return { shard, session, s, t, n, guild: guilds[index] ?? "" }
    }) as unknown as readonly [Delivered, Delivered, Delivered, Delivered]
    const judge = (...log: ReadonlyArray<ReadonlyArray<Deed>>) =>
      sums(
        Verdict.judge({
          sessions: [{ id: "a", shard: 0, dispatched, heldUntil: 4 }],
          processes: [{ ...process([]), consumer: consumer(log.flat(), "guild") }]
        })
      )
    const sideBySide = judge(begun(r, y1, x1), finished(y1, x1), begun(x2), finished(x2, r))
    assert.deepStrictEqual(sideBySide, { ...none, delivered: 4 })
    const backwards = judge(begun(r, x1, x2, y1), finished(r, x2, x1, y1))
    assert.deepStrictEqual(backwards, { ...none, delivered: 4, outOfOrder: 1 })
  })

  it("asks everything for a second consumer from when it began", () => {
    const judge = (...sequences: ReadonlyArray<number>) =>
      Verdict.judge({
        sessions: [session("a", 5)],
        processes: [
          process(got("a", 1, 2, 3, 4, 5), {
            second: consumer(oneByOne(got("a", ...sequences)))
          })
        ]
      }).lost
    assert.strictEqual(judge(3, 4, 5), 0)
    assert.strictEqual(judge(3, 5), 1)
    assert.strictEqual(judge(3, 4), 1)
  })
})

describe("the check of RESUMEs", () => {
  const told = (by: "heartbeat" | "RESUME", seq: number, sessionId = "a") => ({ at: 0, by, seq, sessionId })

  it("finds one that is behind what a heartbeat told, in the process before, too", () => {
    const first = { told: [told("heartbeat", 7), told("heartbeat", 5)] }
    assert.deepStrictEqual(ProtocolChecks.judgeResumes([first, { told: [told("RESUME", 7)] }]), [])
    assert.deepStrictEqual(ProtocolChecks.judgeResumes([first, { told: [told("RESUME", 1, "b")] }]), [])
    assert.lengthOf(ProtocolChecks.judgeResumes([first, { told: [told("RESUME", 6)] }]), 1)
  })
})
