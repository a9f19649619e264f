/**
 * The session store of a run, which outlives the processes, is slow, and fails, hangs and lies when it is told to.
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Session } from "../../src/schema/Session.ts"
import { SessionStore, SessionStoreError } from "../../src/services/SessionStore.ts"
import type { Scenario } from "./Scenario.ts"

/** How a store fails: it says so, it never answers, or it says so though it has done what it was asked. */
export type StoreTrouble = "fails" | "hangs" | "lies"

/** How the store is, as it is for all processes. */
export interface StoreHealth {
  writes: StoreTrouble | undefined
  reads: Exclude<StoreTrouble, "lies"> | undefined
}

/** Record of one process's calls to the store. */
export interface StoreRecord {
  /** The sessions that were written. */
  readonly sessions: Set<string>
  /** How many calls have failed or got no answer. */
  failures: number
  /** Whether the store may not have what the process wrote last. */
  isBehind: boolean
}

/** A process that has not written anything. */
export const newRecord = (): StoreRecord => ({ sessions: new Set(), failures: 0, isBehind: false })

/** The store as one process sees it. */
export const make = Effect.fnUntraced(function* (options: {
  readonly scenario: Scenario
  readonly health: StoreHealth
  readonly record: StoreRecord
  readonly isDead: () => boolean
  readonly onWrite: (what: "write begins" | "write has ended") => void
}) {
  const store = yield* SessionStore
  const { health, isDead, onWrite, record } = options
  const { latency } = options.scenario.store
  let calls = 0

  const failed = Effect.suspend(() => Effect.fail(new SessionStoreError({ description: "injected by the simulation" })))
  const write = (call: Effect.Effect<void, SessionStoreError>, onWritten: () => void) =>
    Effect.gen(function* () {
      if (isDead()) return
      onWrite("write begins")
      const trouble = health.writes
      record.isBehind = true
      if (trouble !== undefined) record.failures++
      // No two calls take the same time.
      if (latency > 0) yield* Effect.sleep((latency * (1 + ((++calls * 7919) % 97))) / 97)
      if (isDead()) return
      if (trouble === "hangs") return yield* Effect.never
      if (trouble === "fails") return yield* failed
      yield* call
      onWritten()
      if (trouble === "lies") return yield* failed
      record.isBehind = false
      onWrite("write has ended")
    })
  const read = (call: Effect.Effect<Option.Option<Session>, SessionStoreError>) =>
    Effect.suspend(() => {
      if (health.reads !== undefined) record.failures++
      return health.reads === undefined ? call : health.reads === "hangs" ? Effect.never : failed
    })

  return SessionStore.of({
    durable: store.durable,
    get: (shard) => read(store.get(shard)),
    set: (session) => write(store.set(session), () => record.sessions.add(session.id)),
    remove: (shard) => write(store.remove(shard), () => undefined)
  })
})
