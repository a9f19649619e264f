/**
 * An incident that users of gateway clients met in public, as a scenario of the simulator: what Discord did, what a client must do,
 * and the questions to the record that tell whether it did.
 */
import type * as Effect from "effect/Effect"
import type { ServeOptions } from "../../src/testing.ts"
import type { NotHeld, Stage } from "./Stage.ts"

/** What a client has to have for an incident to be put to it. */
export type Need = "presence" | "members" | "sessions" | "probe" | "stop" | "directory"

export interface Incident {
  /** Name for `--only`. */
  readonly id: string
  /** Public threads, as `owner/repository#number`, or the title of a page of Discord's. */
  readonly sources: readonly [string, ...ReadonlyArray<string>]
  /** What Discord, or the network, did. */
  readonly discord: string
  /** What a client must do. */
  readonly client: string
  readonly needs?: ReadonlyArray<Need>
  readonly shards?: number
  readonly options?: ServeOptions
  readonly happen: (stage: Stage) => Effect.Effect<void, NotHeld>
}

/** Incidents of one part of a connection's life. */
export interface Theme {
  readonly title: string
  readonly incidents: ReadonlyArray<Incident>
}
