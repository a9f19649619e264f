/**
 * The ways in which programs take events, each of which is put to the proof.
 */

/** Facts about a way of taking events. */
export interface Kind {
  /** Cause that ends its process again and again; null for one that runs through. */
  readonly endedBy: "SIGKILL" | "SIGTERM" | null
  /** Whether what one of its handlers records is in the order of each guild. */
  readonly isOrdered: boolean
  /** Whether it is told which events may have been handed out before. */
  readonly isTold: boolean
  /** Its subscribers, where each of them gets every event. */
  readonly subscribers: ReadonlyArray<string>
}

const simple: Kind = { endedBy: "SIGKILL", isOrdered: true, isTold: false, subscribers: ["all"] }
const ofDeliveries: Kind = { ...simple, isTold: true }

/** The ways, by their names. */
export const kinds = {
  runForEach: simple,
  handle: simple,
  keyed: simple,
  merge: ofDeliveries,
  "merge with changes": ofDeliveries,
  buffer: ofDeliveries,
  broadcast: ofDeliveries,
  share: ofDeliveries,
  groupByKey: ofDeliveries,
  "timeout, interruptWhen": ofDeliveries,
  grouped: ofDeliveries,
  "mapEffect 16": { ...ofDeliveries, isOrdered: false },
  "slow and quick, SIGTERM": { ...simple, endedBy: "SIGTERM", subscribers: ["slow", "quick"] },
  "fails inside retry": simple,
  "take(1) again and again": { ...simple, endedBy: null },
  "deliveries, take(1)": { ...ofDeliveries, endedBy: null },
  "runHead, then the rest": { ...simple, endedBy: null }
} satisfies Record<string, Kind>

/** The name of a way. */
export type KindName = keyof typeof kinds

/** The names of all ways. */
export const kindNames = Object.keys(kinds).filter((name): name is KindName => name in kinds)

/** How long the handler of an event takes, in milliseconds: from 1 to `most`, and always the same. */
export const workOf = (n: number, most: number): number => 1 + ((n * 7919) % most)

/** A line of a record: an event that a handler took. */
export interface Taken {
  /** The handler. */
  readonly by: string
  readonly n: number
  readonly guild: string
  readonly redelivered: boolean
  /** Milliseconds since the start of the process. */
  readonly at: number
}

/** A line of a record as text. */
export const toLine = ({ at, by, guild, n, redelivered }: Taken): string =>
  `${by} ${n} ${guild} ${redelivered ? "again" : "first"} ${at}\n`

/** The whole lines of a text. */
export const fromLines = (text: string): ReadonlyArray<Taken> =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [by = "", n = "", guild = "", redelivered, at = ""] = line.split(" ")
      return { by, n: Number(n), guild, redelivered: redelivered === "again", at: Number(at) }
    })
