import { assert, describe, it } from "@effect/vitest"
import type { Delivered } from "./Consumer.ts"
import * as Verdict from "./Verdict.ts"

const nameOf = (s: number) => (s === 1 ? "READY" : "MESSAGE_CREATE")

/** A session of so many dispatches. */
const session = (id: string, length: number, heldUntil = length): Verdict.SessionEvidence => ({
  id,
  shard: 0,
  dispatched: Array.from({ length }, (_, index) => ({ s: index + 1, t: nameOf(index + 1), n: index, wanted: true })),
  heldUntil
})

const got = (session: string, ...sequences: ReadonlyArray<number>): ReadonlyArray<Delivered> =>
  sequences.map((s) => ({ shard: 0, session, s, t: nameOf(s), n: s - 1 }))

const process = (
  handed: ReadonlyArray<Delivered>,
  rest: Partial<Verdict.ProcessEvidence> & { readonly processed?: number } = {}
): Verdict.ProcessEvidence => ({
  end: "running",
  wasIdle: true,
  consumer: { handed, processed: rest.processed ?? handed.length },
  second: undefined,
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
    const unwanted = dispatched.map(({ n, s, t }) => ({ s, t, n, wanted: s !== 3 }))
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
    // What it was given and had not finished with is to come again.
    const leftOut = Verdict.judge({ sessions: [session("a", 5)], processes: [crashed, process(got("a", 4, 5))] })
    assert.deepStrictEqual(sums(leftOut), { ...none, delivered: 4, lost: 1 })
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

  it("asks everything for a second consumer from when it began", () => {
    const judge = (...sequences: ReadonlyArray<number>) =>
      Verdict.judge({
        sessions: [session("a", 5)],
        processes: [
          process(got("a", 1, 2, 3, 4, 5), {
            second: { handed: got("a", ...sequences), processed: sequences.length }
          })
        ]
      }).lost
    assert.strictEqual(judge(3, 4, 5), 0)
    assert.strictEqual(judge(3, 5), 1)
    assert.strictEqual(judge(3, 4), 1)
  })
})
