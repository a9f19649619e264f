/**
 * Schedule of faults, drawn from dice: every trouble that has bitten users of other libraries (PROTOCOL.md), one after
 * the other or several at once.
 */
import * as Duration from "effect/Duration"
import * as Act from "../../src/simulator/Act.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import type { Dice } from "./Dice.ts"
import type { StoreTrouble } from "./Store.ts"

/** Moments at which a process may be killed. */
export type Moment =
  | "handler begins"
  | "handler has succeeded"
  | "write begins"
  | "write has ended"
  | "heartbeat"
  | "RESUME"
  | "IDENTIFY"

const moments = [
  "handler begins",
  "handler has succeeded",
  "write begins",
  "write has ended",
  "heartbeat",
  "RESUME",
  "IDENTIFY"
] as const satisfies ReadonlyArray<Moment>

/** Something that is done to the client, its consumers or its Discord. Times are milliseconds. */
export type Action =
  /** Discord dispatches so many events of this size, to one shard or to all. */
  | { readonly _tag: "Dispatch"; readonly count: number; readonly bytes: number; readonly shard: number | undefined }
  /** The program sends so many payloads. */
  | { readonly _tag: "Send"; readonly count: number; readonly shard: number }
  | { readonly _tag: "Act"; readonly act: Act.Act; readonly times: number; readonly shard: number | undefined }
  /** Faults stand until they are met, and at most for so long. */
  | { readonly _tag: "Inject"; readonly faults: ReadonlyArray<Fault.Fault>; readonly duration: number }
  /** Discord sends so many dispatches once more that it has sent on the same connection. */
  | { readonly _tag: "Repeat"; readonly count: number }
  | { readonly _tag: "ExpireSessions" }
  /** Mute connections speak again. */
  | { readonly _tag: "Unmute" }
  /** The machine sleeps: the wall clock jumps. */
  | { readonly _tag: "Sleep"; readonly millis: number }
  /** The consumers take nothing for a while. */
  | { readonly _tag: "Pause"; readonly millis: number }
  /** The consumer unsubscribes, and subscribes again after a while. */
  | { readonly _tag: "Leave"; readonly millis: number }
  /** The program is stopped, or killed, and started again after a while. */
  | { readonly _tag: "Stop" | "Crash"; readonly down: number }
  /** The program is killed when it comes to this the next time. */
  | { readonly _tag: "CrashAt"; readonly moment: Moment }
  /** The store of sessions cannot be relied upon for a while. */
  | { readonly _tag: "StoreWrites"; readonly trouble: StoreTrouble; readonly duration: number }
  | { readonly _tag: "StoreReads"; readonly trouble: Exclude<StoreTrouble, "lies">; readonly duration: number }
  /** The program gives a shard a new connection. */
  | { readonly _tag: "Restart"; readonly shard: number }
  /** The program asks for the members of this guild, so often. */
  | { readonly _tag: "AskForMembers"; readonly guild: number; readonly times: number }

/** A step of a schedule. */
export interface Step {
  /** So long after the step before. */
  readonly after: number
  readonly action: Action
}

/** Options of a schedule. */
export interface ScheduleOptions {
  readonly shards: number
  /** How many troubles. */
  readonly troubles: number
  readonly heartbeatInterval: number
  /** Whether the program is stopped, killed and started again. */
  readonly restarts: boolean
  /** Whether the consumer unsubscribes now and then. */
  readonly leaves: boolean
  /** Whether the store fails now and then. */
  readonly stores: boolean
  /** Whether the consumer is at rest for minutes now and then. */
  readonly pauses: boolean
  /** Whether Discord refuses the bot for good now and then. */
  readonly fatal: boolean
  /** Whether connections go mute; otherwise they are dropped. */
  readonly mutes: boolean
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** Draws a schedule. */
export const draw = (dice: Dice, options: ScheduleOptions): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  for (let trouble = 0; trouble < options.troubles; trouble++) {
    drawTraffic(dice, options, steps)
    const [first, ...rest] = drawTrouble(dice, options)
    if (first === undefined) continue
    steps.push({ ...first, after: first.after + drawGap(dice) })
    steps.push(...rest)
  }
  return options.mutes ? steps : steps.map(({ after, action }) => ({ after, action: withoutMutes(action) }))
}

const withoutMutes = (action: Action): Action => {
  const other = <A extends { readonly _tag: string }>(act: A) => (act._tag === "Mute" ? Act.drop : act)
  switch (action._tag) {
    case "Act":
      return { ...action, act: other(action.act) }
    case "Inject":
      return {
        ...action,
        faults: action.faults.map((fault) =>
          fault.at === "http" || fault.at === "dial" ? fault : { ...fault, answer: other(fault.answer) }
        )
      }
    default:
      return action
  }
}

/** A step, and often a kill after it, at once or at what the process comes to next. */
export const withKill = (dice: Dice, step: Step): ReadonlyArray<Step> => {
  if (!dice.chance(0.3)) return [step]
  const action: Action = dice.chance(0.3)
    ? { _tag: "Crash", down: dice.magnitude(10, 10 * second) }
    : { _tag: "CrashAt", moment: dice.pick(moments) }
  return [step, { after: dice.magnitude(1, 5 * second), action }]
}

/** The same step with an end in peace in place of a kill. */
export const inPeace = ({ action, after }: Step): Step => {
  if (action._tag === "Crash") return { after, action: { _tag: "Stop", down: action.down } }
  return { after, action: action._tag === "CrashAt" ? { _tag: "Stop", down: 1000 } : action }
}

/** Several at once, in the midst of what the one before led to, when that is over, or in the quiet. */
const drawGap = (dice: Dice): number =>
  dice.weighted<() => number>([
    [2, () => 0],
    [3, () => dice.magnitude(1, second)],
    [4, () => dice.magnitude(second, 20 * second)],
    [3, () => dice.magnitude(20 * second, 2 * minute)]
  ])()

const drawShard = (dice: Dice, { shards }: ScheduleOptions): number | undefined =>
  shards === 1 || dice.chance(0.3) ? undefined : dice.integer(0, shards - 1)

const drawTraffic = (dice: Dice, options: ScheduleOptions, steps: Array<Step>): void => {
  if (dice.chance(0.2)) {
    const count = dice.chance(0.1) ? dice.integer(20, 200) : dice.integer(1, 3)
    steps.push({
      after: dice.magnitude(1, second),
      action: { _tag: "Send", count, shard: dice.integer(0, options.shards - 1) }
    })
  }
  for (let left = dice.integer(0, 3); left > 0; left--) {
    const isBurst = dice.chance(0.03)
    steps.push({
      after: dice.magnitude(1, 5 * second),
      action: {
        _tag: "Dispatch",
        count: isBurst ? dice.integer(100, 2000) : dice.magnitude(1, 20),
        bytes: dice.chance(0.1) ? dice.magnitude(10, 4000) : 0,
        shard: drawShard(dice, options)
      }
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Troubles
// ---------------------------------------------------------------------------------------------------------------------

/** Closes after which the session can be resumed; without a code, too. */
const resumableCodes = [1000, 1001, 1011, 1012, 3050, 4000, 4001, 4002, 4005, 4008, 4242, 4999, undefined] as const
/** Closes after which Discord wants a new session. */
const sessionEndingCodes = [4003, 4007, 4009] as const
/** Closes that nothing but a person can mend. */
export const fatalCodes = [4004, 4010, 4011, 4012, 4013, 4014] as const

/** Reason of injected closes: any other complaint of Discord's is the client's fault. */
export const injected = "injected by the simulation"

const close = (code?: number): Act.Act => Act.close(code, injected)

/** Frames that are no payload, and payloads that no client has to understand. None has a sequence. */
const garbage = [
  "{",
  "",
  "null",
  "[]",
  "42",
  '"text"',
  "not JSON at all",
  '{"op":"0","d":null}',
  '{"op":-1,"d":null}',
  '{"op":1.5}',
  '{"d":{}}',
  '{"op":0,"d":{},"s":null,"t":"MESSAGE_CREATE"}',
  '{"op":0,"d":{},"s":"7","t":"MESSAGE_CREATE"}',
  '{"op":0,"d":{},"s":-7,"t":"MESSAGE_CREATE"}',
  '{"op":10,"d":null,"s":null,"t":null}',
  '{"op":10,"d":{"heartbeat_interval":"soon"}}',
  Uint8Array.of(0xff, 0xfe, 0x00),
  Uint8Array.of(0x78, 0x9c, 0x01)
] as const

const harmless = ['{"op":99,"d":null,"s":null,"t":null}', '{"op":12,"d":{"x":1}}', '{"op":11}'] as const

const now = (action: Action): Step => ({ after: 0, action })
const later = (after: number, action: Action): Step => ({ after, action })

type Trouble = (dice: Dice, options: ScheduleOptions) => ReadonlyArray<Step>

const drawTrouble: Trouble = (dice, options) => {
  const act = (act: Act.Act, times = 1): Step => now({ _tag: "Act", act, times, shard: drawShard(dice, options) })
  const inject = (duration: number, ...faults: ReadonlyArray<Fault.Fault>): Step =>
    now({ _tag: "Inject", faults, duration })
  const times = (most: number) => ({ times: dice.integer(1, most) })
  const when = () => ({ when: dice.pick(["instead", "before", "after"] as const) })
  const host = (): { readonly host?: Fault.Host } =>
    dice.weighted<{ readonly host?: Fault.Host }>([
      [3, {}],
      [2, { host: "resume" }],
      [1, { host: "main" }]
    ])
  const while_ = () => dice.magnitude(10 * second, 4 * minute)
  const cut = () => act(dice.pick([Act.drop, Act.drop, Act.reconnect, close(4000), Act.invalidSession(true)]))
  /** Something that makes the client IDENTIFY. */
  const renew = () => act(dice.pick([Act.invalidSession(false), Act.invalidSession(false), close(4009)]))
  /** Act that ends the connection: a client waits for the answer to IDENTIFY or RESUME while the connection is alive. */
  const anyEnd = () =>
    dice.pick([
      Act.drop,
      Act.drop,
      Act.reconnect,
      Act.invalidSession(true),
      Act.invalidSession(false),
      close(dice.pick(resumableCodes)),
      close(dice.pick(sessionEndingCodes))
    ])
  const aroundAnswer = () => ({ when: dice.pick(["before", "after"] as const) })
  const anyAct = () =>
    dice.pick([
      Act.drop,
      Act.drop,
      Act.reconnect,
      Act.mute,
      Act.invalidSession(true),
      Act.invalidSession(false),
      close(dice.pick(resumableCodes)),
      close(dice.pick(sessionEndingCodes)),
      Act.requestHeartbeat,
      Act.sendRaw(dice.pick(garbage))
    ])

  const troubles: readonly [
    readonly [number, () => ReadonlyArray<Step>],
    ...Array<readonly [number, () => ReadonlyArray<Step>]>
  ] = [
    [6, () => [act(Act.drop)]],
    [5, () => [act(Act.reconnect)]],
    [3, () => [act(Act.invalidSession(true))]],
    [3, () => [act(Act.invalidSession(false))]],
    [5, () => [act(close(dice.pick(resumableCodes)))]],
    [2, () => [act(close(dice.pick(sessionEndingCodes)))]],
    [3, () => [act(Act.sendRaw(dice.pick(garbage)), dice.integer(1, 3))]],
    [1, () => [act(Act.sendRaw(dice.pick(harmless)), dice.integer(1, 3))]],
    [2, () => [now({ _tag: "Repeat", count: dice.magnitude(1, 20) })]],
    [2, () => [act(Act.requestHeartbeat, dice.integer(1, 20))]],
    // Several triggers at once.
    [3, () => [act(anyAct()), act(anyAct()), ...(dice.chance(0.3) ? [act(anyAct())] : [])]],
    // A dead peer with the TCP connection open; it may come back to life, with late frames of the old connection.
    [4, () => [act(Act.mute)]],
    [3, () => [act(Act.mute), later(dice.magnitude(second, 2 * options.heartbeatInterval), { _tag: "Unmute" })]],
    // Acknowledgements
    [2, () => [inject(while_(), Fault.heartbeat(Fault.nothing, times(3)))]],
    [2, () => [inject(while_(), Fault.heartbeat(Fault.late(dice.magnitude(10, options.heartbeatInterval)), times(3)))]],
    [2, () => [inject(while_(), Fault.heartbeat(anyAct(), { ...times(1), ...when() }))]],
    // An acknowledgement is outstanding when the connection is lost.
    [
      2,
      () => [
        inject(while_(), Fault.heartbeat(Fault.nothing, times(1))),
        later(dice.integer(1, options.heartbeatInterval), { _tag: "Act", act: Act.drop, times: 1, shard: undefined })
      ]
    ],
    // Dials
    [3, () => [inject(while_(), Fault.dial("refuse", { ...times(6), ...host() })), cut()]],
    [2, () => [inject(while_(), Fault.dial("ignore", { ...times(3), ...host() })), cut()]],
    [
      1,
      () => [
        inject(while_(), Fault.dial({ status: dice.pick([429, 500, 502, 503, 520]) }, { ...times(4), ...host() })),
        cut()
      ]
    ],
    [1, () => [inject(dice.magnitude(minute, 10 * minute), Fault.dial("refuse", { host: "resume" })), cut()]],
    // HELLO
    [2, () => [inject(while_(), Fault.hello(Act.mute, times(2))), cut()]],
    [1, () => [inject(while_(), Fault.hello(Fault.nothing, times(2))), cut()]],
    [2, () => [inject(while_(), Fault.hello(Act.mute, { ...times(2), when: "after" })), cut()]],
    [1, () => [inject(while_(), Fault.hello(Fault.late(dice.magnitude(10, 15 * second)), times(2))), cut()]],
    [4, () => [inject(while_(), Fault.hello(anyAct(), { ...times(3), ...when() })), cut()]],
    // Accept-then-close loops
    [2, () => [inject(while_(), Fault.hello(dice.pick([Act.drop, close(4000), close()]), when())), cut()]],
    // RESUME
    [
      4,
      () => [
        inject(while_(), Fault.resume(dice.pick([Act.drop, close(4000), close()]), { ...times(6), ...when() })),
        cut()
      ]
    ],
    [2, () => [inject(while_(), Fault.resume(Act.invalidSession(true), { ...times(5), ...when() })), cut()]],
    [2, () => [inject(while_(), Fault.resume(Act.invalidSession(false), { ...times(2), ...when() })), cut()]],
    [
      2,
      () => [
        inject(
          while_(),
          dice.chance(0.7)
            ? Fault.resume(anyEnd(), { ...times(3), ...when() })
            : Fault.resume(anyAct(), { ...times(3), ...aroundAnswer() })
        ),
        cut()
      ]
    ],
    [2, () => [inject(while_(), Fault.resume(Fault.late(dice.magnitude(10, 2 * minute)), times(2))), cut()]],
    [1, () => [inject(while_(), Fault.resume(Fault.nothing, times(3))), cut()]],
    // IDENTIFY
    [
      3,
      () => [
        inject(
          while_(),
          dice.chance(0.7)
            ? Fault.identify(anyEnd(), { ...times(2), ...when() })
            : Fault.identify(anyAct(), { ...times(2), ...aroundAnswer() })
        ),
        renew()
      ]
    ],
    [1, () => [inject(while_(), Fault.identify(Act.invalidSession(false), times(6))), renew()]],
    [1, () => [inject(while_(), Fault.identify(Fault.late(dice.magnitude(10, 5 * minute)), times(2))), renew()]],
    [1, () => [inject(while_(), Fault.identify(Fault.nothing, times(2))), renew()]],
    // GET /gateway/bot
    [
      2,
      () => [
        inject(
          while_(),
          Fault.http(dice.pick(["malformed", "unreachable", "ignore", { status: 500 }, { status: 503 }]), times(4))
        ),
        inject(while_(), Fault.dial("refuse", { ...times(3), host: "main" })),
        renew()
      ]
    ],
    [
      1,
      () => [
        inject(while_(), Fault.http({ status: 429, retryAfter: dice.magnitude(100, 30 * second) }, times(3))),
        inject(while_(), Fault.dial("refuse", { ...times(2), host: "main" })),
        renew()
      ]
    ],
    // Sessions
    [1, () => [now({ _tag: "Restart", shard: dice.integer(0, options.shards - 1) })]],
    [
      2,
      () => [
        now({ _tag: "AskForMembers", guild: dice.integer(1, 4 * options.shards), times: dice.integer(1, 3) }),
        ...(dice.chance(0.5) ? [later(dice.magnitude(1, 500), cut().action)] : [])
      ]
    ],
    [2, () => [now({ _tag: "ExpireSessions" }), ...(dice.chance(0.7) ? [cut()] : [])]],
    // The whole network is down.
    [
      1,
      () => {
        const duration = dice.weighted<() => number>([
          [4, () => dice.magnitude(10 * second, 5 * minute)],
          [2, () => 10 * minute],
          [1, () => dice.magnitude(10 * minute, 3 * hour)]
        ])()
        return [
          inject(duration, Fault.dial(dice.pick(["refuse", "refuse", "ignore"])), Fault.http("unreachable")),
          act(dice.chance(0.8) ? Act.drop : Act.mute),
          later(duration, { _tag: "Unmute" })
        ]
      }
    ],
    // A laptop that sleeps
    [
      1,
      () => [
        now({ _tag: "Sleep", millis: dice.magnitude(second, 8 * hour) }),
        ...(dice.chance(0.5) ? [act(dice.pick([Act.drop, Act.mute]))] : [])
      ]
    ],
    ...(options.restarts
      ? ([
          [5, () => [now({ _tag: "Crash", down: dice.magnitude(10, 90 * second) })]],
          [4, () => [now({ _tag: "Stop", down: dice.magnitude(10, 90 * second) })]],
          // In the midst of something.
          [
            3,
            () => [renew(), later(dice.magnitude(1, 10 * second), { _tag: "Crash", down: dice.magnitude(10, minute) })]
          ],
          [3, () => [cut(), later(dice.magnitude(1, 5 * second), { _tag: "Crash", down: dice.magnitude(10, minute) })]],
          [
            1,
            () => [act(Act.mute), later(dice.magnitude(1, minute), { _tag: "Stop", down: dice.magnitude(10, minute) })]
          ]
        ] as const)
      : []),
    ...(options.restarts
      ? ([
          [
            5,
            () => [
              now({
                _tag: "CrashAt",
                moment: dice.pick(moments)
              })
            ]
          ]
        ] as const)
      : []),
    ...(options.stores
      ? ([
          [
            4,
            () => [
              now({
                _tag: "StoreWrites",
                trouble: dice.pick(["fails", "hangs", "lies"]),
                duration: dice.magnitude(second, 3 * minute)
              }),
              ...(options.restarts && dice.chance(0.4)
                ? [later(dice.magnitude(1, minute), { _tag: "Crash", down: dice.magnitude(10, minute) } as const)]
                : [])
            ]
          ]
        ] as const)
      : []),
    ...(options.stores && options.restarts
      ? ([
          [
            2,
            () => {
              const down = dice.magnitude(10, 10 * second)
              return [
                // Within the time for which a client that starts reads.
                now({
                  _tag: "StoreReads",
                  trouble: dice.pick(["fails", "hangs"]),
                  duration: down + dice.magnitude(10, 40 * second)
                }),
                now({ _tag: dice.pick(["Crash", "Stop"]), down })
              ]
            }
          ]
        ] as const)
      : []),
    ...(options.leaves ? ([[5, () => [now({ _tag: "Leave", millis: dice.magnitude(1, 3 * minute) })]]] as const) : []),
    ...(options.pauses
      ? ([[5, () => [now({ _tag: "Pause", millis: dice.magnitude(second, 5 * minute) })]]] as const)
      : []),
    ...(options.fatal
      ? ([
          [1, () => [act(close(dice.pick(fatalCodes)))]],
          [0.5, () => [inject(while_(), Fault.identify(close(dice.pick(fatalCodes)), { times: 1 })), renew()]]
        ] as const)
      : [])
  ]
  return dice.weighted(troubles)()
}

/** Name of a fault, under which its like are counted. */
export const nameOf = ({ answer, at }: Fault.Fault): string =>
  `${at} ${typeof answer === "string" ? answer : "_tag" in answer ? answer._tag : answer.status}`

/** A step in words. */
export const describe = (action: Action): string => {
  const details = JSON.stringify(action, (key, value: unknown) =>
    key === "_tag" && value === action._tag
      ? undefined
      : value instanceof Uint8Array
        ? `bytes ${value.join(" ")}`
        : Duration.isDuration(value)
          ? Duration.toMillis(value)
          : value
  )
  return `${action._tag} ${details}`
}
