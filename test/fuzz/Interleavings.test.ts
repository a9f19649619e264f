import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "fast-check"
import { type Action, injected, type Step } from "../simulation/FaultSchedule.ts"
import * as Program from "../simulation/Program.ts"
import * as Run from "../simulation/Run.ts"
import type { Scenario } from "../simulation/Scenario.ts"
import * as Act from "../../src/simulator/Act.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import { scaled } from "../support/Scale.ts"

const code = FastCheck.constantFrom(undefined, 1000, 1001, 3050, 4000, 4001, 4003, 4007, 4008, 4009, 4242)

const act: FastCheck.Arbitrary<Act.Act> = FastCheck.oneof(
  code.map((code) => Act.close(code, injected)),
  FastCheck.boolean().map((resumable) => Act.invalidSession(resumable)),
  FastCheck.constantFrom(Act.drop, Act.mute, Act.reconnect, Act.requestHeartbeat),
  FastCheck.constantFrom("{", "null", '{"op":99}', '{"op":10,"d":{}}').map((frame) => Act.sendRaw(frame))
)

const ending = act.filter(({ _tag }) => _tag !== "Mute" && _tag !== "RequestHeartbeat" && _tag !== "SendRaw")

const fault: FastCheck.Arbitrary<Fault.Fault> = FastCheck.oneof(
  act.map((act) => Fault.hello(act, { times: 1 })),
  act.map((act) => Fault.hello(act, { times: 1, when: "after" })),
  ending.map((act) => Fault.resume(act, { times: 1 })),
  act.map((act) => Fault.resume(act, { times: 1, when: "after" })),
  ending.map((act) => Fault.identify(act, { times: 1 })),
  act.map((act) => Fault.identify(act, { times: 1, when: "after" })),
  FastCheck.constantFrom(
    Fault.dial("refuse", { times: 1 }),
    Fault.dial("ignore", { times: 1 }),
    Fault.heartbeat(Fault.nothing, { times: 1 }),
    Fault.http("unreachable", { times: 1 })
  )
)

/** A frame, a close, a stop, a lost network: in any order. */
const action: FastCheck.Arbitrary<Action> = FastCheck.oneof(
  FastCheck.nat(30).map((count): Action => ({ _tag: "Dispatch", count, bytes: 0, shard: undefined })),
  act.map((act): Action => ({ _tag: "Act", act, times: 1, shard: undefined })),
  fault.map((fault): Action => ({ _tag: "Inject", faults: [fault], duration: 60_000 })),
  FastCheck.nat(5000).map((down): Action => ({ _tag: "Stop", down })),
  FastCheck.nat(5000).map((down): Action => ({ _tag: "Crash", down })),
  FastCheck.nat(30_000).map((millis): Action => ({ _tag: "Pause", millis })),
  FastCheck.constantFrom<Action>(
    { _tag: "ExpireSessions" },
    { _tag: "Unmute" },
    { _tag: "Send", count: 1, shard: 0 },
    { _tag: "Sleep", millis: 60_000 }
  )
)

const step: FastCheck.Arbitrary<Step> = FastCheck.record({
  // A timer: within a handshake (frames travel 10 ms), at its edges, within a wait, or over a heartbeat.
  after: FastCheck.oneof(FastCheck.constantFrom(0, 1, 9, 10, 11, 20, 30), FastCheck.nat(2000), FastCheck.nat(60_000)),
  action
})

const programs: readonly [Program.Program, ...ReadonlyArray<Program.Program>] = [
  Program.stream,
  { ...Program.stream, kind: "keyed", concurrency: 4 },
  { ...Program.stream, kind: "pool", concurrency: 4, capacity: 8, nackEvery: 5 }
]

const scenario = (steps: ReadonlyArray<Step>, buffer: number, program: Program.Program): Scenario => ({
  seed: steps.length,
  shards: 1,
  discord: { heartbeatInterval: 20_000, latency: 10, sessionTimeout: 180_000, forgetsAcknowledged: true },
  client: { buffer, saveEvery: 500, giveUpResume: { after: "1 hour" } },
  store: { durable: true, latency: 20 },
  program,
  consumer: { name: "slow", rest: { every: 3, millis: 5 } },
  subscribesAfter: 0,
  second: undefined,
  steps
})

describe("frames, closes, timers, lost networks and stops", () => {
  it.live("in any order leave nothing out, bring nothing twice, and end with a bot that is ready", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.array(step, { minLength: 1, maxLength: 25 }),
          FastCheck.constantFrom(1, 16, 4096),
          FastCheck.constantFrom(...programs),
          (steps, buffer, program) =>
            Effect.runPromise(
              Effect.map(Run.run(scenario(steps, buffer, program), { trace: false }), ({ failures }) =>
                assert.deepStrictEqual(failures, [])
              )
            )
        ),
        { seed: 20_260_802, numRuns: scaled(400) }
      )
    )
  )
})
