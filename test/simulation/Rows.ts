/**
 * Programs that are killed so many times each, by the rows of a table: what a scenario is made to have, whatever its seed
 * draws.
 */
import { type Kind, kinds } from "./Program.ts"

/** What the scenarios of a row have in common. */
export interface Row {
  readonly kind: Kind
  /** Whether handlers fail now and then, with the program tried again around them. */
  readonly fails: boolean
  /** Whether another subscriber listens beside it. */
  readonly hasSecond: boolean
  /** Whether processes end in peace (SIGTERM); otherwise they are killed. */
  readonly endsInPeace: boolean
  /** Whether a payload kills each process that begins with it, until it is set aside. */
  readonly hasPoison: boolean
}

const plain = { fails: false, hasSecond: false, endsInPeace: false, hasPoison: false }

/** The kinds of programs, by themselves; then those that fail inside a retry, those with another beside, and both. */
export const rows: ReadonlyMap<string, Row> = new Map([
  ...kinds.map((kind) => [kind, { ...plain, kind }] as const),
  ...(["runForEach", "keyed", "merge", "buffer", "groupByKey", "broadcast", "pool"] as const).flatMap((kind) => [
    [`${kind}, fails inside retry`, { ...plain, kind, fails: true }] as const,
    [`${kind}, fails inside retry, another beside`, { ...plain, kind, fails: true, hasSecond: true }] as const
  ]),
  ...(["runForEach", "handle", "keyed"] as const).map(
    (kind) => [`${kind}, a payload that kills`, { ...plain, kind, hasPoison: true }] as const
  ),
  ["stream, another beside", { ...plain, kind: "stream", hasSecond: true }],
  ["stream, another beside, SIGTERM", { ...plain, kind: "stream", hasSecond: true, endsInPeace: true }]
])
