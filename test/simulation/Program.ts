/**
 * Kind of program that takes the payloads, as data: drawn with a scenario, and named in it.
 */
import type { Dice } from "./Dice.ts"

/** All kinds. */
export const kinds = [
  /** `payloads`, one after the other. */
  "stream",
  /** `runForEach`. */
  "runForEach",
  /** `handle`, by names. */
  "handle",
  /** `handle` by names, or `runForEach`, with concurrency: in order within a guild. */
  "keyed",
  /** `deliveries`, merged with a stream of something else. */
  "merge",
  /** `deliveries` through a buffer. */
  "buffer",
  /** `deliveries` in a stream for each guild. */
  "groupByKey",
  /** `deliveries`, broadcast to one that handles them and one that looks at them. */
  "broadcast",
  /** `deliveries` in a queue, of which workers take them and acknowledge in random order. */
  "pool",
  /** `deliveries`, merged with the events of the connections. */
  "changes",
  /** `deliveries`, shared by two branches, each of which takes its half. */
  "share",
  /** `deliveries` through `Stream.mapEffect` with concurrency. */
  "mapEffect",
  /** `deliveries` in groups. */
  "grouped",
  /** `deliveries` that are interrupted every few seconds, in the stream and around it. */
  "interrupted",
  /** So many `deliveries`, again and again. */
  "take",
  /** One of the `payloads`, again and again. */
  "takeOne",
  /** The first of the `payloads`, and then the rest. */
  "runHead"
] as const

/** Kinds that were thought of later: they do not change what the seeds of the others stand for. */
export const laterKinds = [
  "changes",
  "share",
  "mapEffect",
  "grouped",
  "interrupted",
  "take",
  "takeOne",
  "runHead"
] as const

/** A kind of program. */
export type Kind = (typeof kinds)[number]

/** A program. Times are milliseconds, counts are of runs of handlers. */
export interface Program {
  readonly kind: Kind
  /** How many handlers or workers there are. */
  readonly concurrency: number
  /** How much a buffer, a group, a broadcast or a queue of the program's own holds. */
  readonly capacity: number
  /** The names for which there are handlers; undefined for all. */
  readonly names: ReadonlyArray<string> | undefined
  /** Each so many-th delivery is not acknowledged at first, but given back. */
  readonly nackEvery: number | undefined
  /** Each so many-th run of a handler fails; the program is tried again around it, or the handler by the gateway. */
  readonly fails:
    | { readonly every: number; readonly retryAfter: number; readonly around: "program" | "handler" }
    | undefined
  /** Each so many-th run of a handler hangs for so long. */
  readonly hangs: { readonly every: number; readonly millis: number } | undefined
  /** How long handlers may go on when they are interrupted. */
  readonly finishWithin: number | undefined
  /** The number of a payload that kills the process as often as a handler begins with it, and the limit to that. */
  readonly poison?: { readonly n: number; readonly maxAttempts: number } | undefined
}

/** The names that the simulation dispatches, but for one. */
const someNames = ["READY", "RESUMED", "MESSAGE_CREATE", "GUILD_CREATE"]
/** All names that are dispatched in the simulation. */
export const allNames = [...someNames, "TYPING_START", "GUILD_MEMBERS_CHUNK", "RATE_LIMITED"]

/** The plain stream of payloads. */
export const stream: Program = {
  kind: "stream",
  concurrency: 1,
  capacity: 1,
  names: undefined,
  nackEvery: undefined,
  fails: undefined,
  hangs: undefined,
  finishWithin: undefined
}

/** Whether a program acknowledges what it has handled, instead of asking for more. */
export const acknowledges = ({ kind }: Pick<Program, "kind">): boolean =>
  !["stream", "takeOne", "runHead"].includes(kind)

/** Whether the gateway runs its handlers. */
export const hasHandlers = ({ kind }: Pick<Program, "kind">): boolean =>
  ["runForEach", "handle", "keyed"].includes(kind)

/** Whether it takes deliveries, and acknowledges by itself. */
export const takesDeliveries = ({ kind }: Pick<Program, "kind">): boolean =>
  acknowledges({ kind }) && !hasHandlers({ kind })

/** Whether it is always at work at once: the sockets are read without delay. */
export const isQuick = ({ fails, hangs, kind }: Program): boolean =>
  fails === undefined && hangs === undefined && !["pool", "grouped", "interrupted"].includes(kind)

/** In which order a program takes payloads, and has handled them: that of a shard, that of a guild, or none. */
export type Order = "shard" | "guild" | "none"

/** The order in which a program begins with payloads. */
export const beginsBy = ({ kind }: Program): Order => (kind === "keyed" ? "guild" : "shard")

/** The order in which it has handled them. */
export const finishesBy = ({ kind, nackEvery }: Program): Order => {
  if (nackEvery !== undefined || ["pool", "share", "mapEffect"].includes(kind)) return "none"
  return kind === "keyed" || kind === "groupByKey" ? "guild" : "shard"
}

const second = 1000
const minute = 60 * second

/** Draws a program: of this kind, if one is given, and with handlers that fail, if that is said. */
export const draw = (dice: Dice, given?: Kind, mustFail?: boolean): Program => {
  const drawn = dice.weighted<Kind>([
    [5, "stream"],
    [2, "runForEach"],
    [2, "handle"],
    [4, "keyed"],
    [2, "merge"],
    [2, "buffer"],
    [2, "groupByKey"],
    [2, "broadcast"],
    [3, "pool"]
  ])
  const kind = given ?? drawn
  if (!acknowledges({ kind })) return { ...stream, kind }
  const isHandler = hasHandlers({ kind })
  const fails = mustFail ?? dice.chance(0.35)
  return {
    kind,
    concurrency: ["keyed", "pool", "mapEffect"].includes(kind) ? dice.integer(2, 16) : 1,
    capacity: dice.weighted([
      [1, 1],
      [3, dice.integer(2, 64)]
    ]),
    names:
      kind === "handle" || (kind === "keyed" && dice.chance(0.5))
        ? dice.chance(0.4)
          ? someNames
          : allNames
        : undefined,
    nackEvery: !isHandler && dice.chance(0.4) ? dice.magnitude(2, 100) : undefined,
    fails: fails
      ? {
          every: dice.magnitude(3, 500),
          retryAfter: dice.magnitude(1, 20 * second),
          around: mustFail !== true && isHandler && dice.chance(0.4) ? "handler" : "program"
        }
      : undefined,
    hangs: dice.chance(0.25)
      ? { every: dice.magnitude(50, 1000), millis: dice.magnitude(10 * second, 5 * minute) }
      : undefined,
    finishWithin: isHandler && dice.chance(0.4) ? dice.magnitude(10, 3 * second) : undefined
  }
}
