import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { readDispatchHeader } from "../../src/schema/PayloadHeader.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const header = (text: string) => readDispatchHeader(new TextEncoder().encode(text))

describe("the header of a dispatch", () => {
  const known = [
    '{"t":"MESSAGE_CREATE","s":42,"op":0,"d":{"content":"hi"}}',
    '{"op":0,"s":42,"t":"MESSAGE_CREATE","d":null}',
    ' {\n "t" : "MESSAGE_CREATE" ,\t"s": 42 , "op": 0 }',
    '{"s":42,"t":"MESSAGE_CREATE","op":0'
  ]
  for (const text of known) {
    it(`is read off ${text}`, () => assert.deepStrictEqual(header(text), { t: "MESSAGE_CREATE", s: 42 }))
  }

  const unknown = [
    "",
    "{",
    "[]",
    "null",
    '{"t":null,"s":null,"op":11,"d":null}',
    '{"t":"X","s":null,"op":0}',
    '{"t":"X","s":1,"op":10}',
    '{"t":"X","s":1,"op":01}',
    '{"t":"X","s":-1,"op":0}',
    '{"d":{"t":"FAKE","s":9,"op":0},"t":"X","s":1,"op":0}',
    '{"t":"MESSAGE\\u005fCREATE","s":1,"op":0}',
    '{"t":"X","s":1',
    '{"t":"X'
  ]
  for (const text of unknown) {
    it(`is left to the parser in ${text}`, () => assert.isUndefined(header(text)))
  }
})

describe("a program that wants some events only", () => {
  for (const frames of ["binary", "text"] as const) {
    it.effect(`is handed these, and READY and RESUMED; the others count (${frames} frames)`, () =>
      Effect.gen(function* () {
        const { gateway, listener, simulator, watcher } = yield* SimulatedBot.ready
        for (const t of ["TYPING_START", "MESSAGE_CREATE", "TYPING_START", "TYPING_START"]) {
          yield* simulator.dispatch(t, {})
        }
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(listener.dispatches(), [
          { t: "READY", s: 1 },
          { t: "MESSAGE_CREATE", s: 3 }
        ])
        assert.deepStrictEqual((yield* gateway.shards)[0]?.sequence, Option.some(5))
        yield* simulator.drop()
        yield* TestClock.adjust("1 second")
        assert.nestedPropertyVal((yield* simulator.connections)[1]?.frames[0]?.payload, "d.seq", 5)
        assert.strictEqual(listener.dispatches().at(-1)?.t, "RESUMED")
        assert.notInclude(watcher.tags(), "GapDetected")
      }).pipe(Effect.provide(SimulatedBot.layer({ config: { events: ["MESSAGE_CREATE"] }, simulator: { frames } })))
    )
  }
})

describe("a stream of several events", () => {
  const events = ["MESSAGE_CREATE", "MESSAGE_DELETE"] as const

  it.effect("has these, in order, each with the type of its data", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      const seen: Array<string> = []
      yield* gateway.on(...events).pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            seen.push(event.t === "MESSAGE_CREATE" ? `created ${event.d.content}` : `deleted ${event.d.id}`)
          })
        ),
        Effect.forkScoped
      )
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* simulator.dispatch("TYPING_START", {})
      yield* simulator.dispatch("MESSAGE_DELETE", { id: "1" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["created hello", "deleted 1"])
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { events } })))
  )
})
