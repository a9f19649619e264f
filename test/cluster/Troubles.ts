/**
 * Troubles that a cluster is put through, by name. Each ends when the shards are to be well again; `after` makes the cluster as
 * it was.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { untilTrue } from "../support/Patience.ts"
import type * as Database from "./Database.ts"
import type * as Machines from "./Machines.ts"
import type * as Network from "./Network.ts"
import type * as Proxy from "./Proxy.ts"

/** Cluster of three machines, of which one may be replaced. */
export interface Arranged {
  readonly cluster: Effect.Success<ReturnType<typeof Machines.make>>
  readonly database: Effect.Success<typeof Database.make>
  readonly proxy: Effect.Success<ReturnType<typeof Proxy.make>>
  readonly machines: Array<Machines.Machine>
  /** Starts a machine. */
  readonly start: Effect.Effect<Machines.Machine, never, Scope.Scope>
}

export interface Trouble {
  readonly what: string
  /** File without which it cannot be caused. */
  readonly takes?: string
  /** Whether each machine has a network of its own. */
  readonly isolated?: boolean
  /** Environment of the machines, by their places. */
  readonly env?: (place: number) => Record<string, string>
  /** Whether the time back counts from the beginning of `cause`, not from its end. */
  readonly isFromBeginning?: boolean
  readonly cause: (arranged: Arranged) => Effect.Effect<unknown, never, Scope.Scope>
  readonly after?: (arranged: Arranged) => Effect.Effect<unknown, never, Scope.Scope>
}

const one = ({ machines: [machine] }: Arranged, act: (machine: Machines.Machine) => Effect.Effect<void>) =>
  machine === undefined ? Effect.void : act(machine)

/** Another machine in the place of the first one, at the end of the list, so that each is hit in turn. */
const replace = (arranged: Arranged) =>
  Effect.map(arranged.start, (machine) => {
    arranged.machines.shift()
    arranged.machines.push(machine)
  })

const kill = (arranged: Arranged) => one(arranged, ({ end }) => end("SIGKILL"))

const lasting = (begin: Effect.Effect<void>, end: Effect.Effect<void>) =>
  Effect.gen(function* () {
    yield* begin
    yield* Effect.sleep("15 seconds")
    yield* end
  })

/** The way is cut, and mended some time after the shards are elsewhere. */
const without = (way: Network.Way, seconds: number, what: string): Trouble => ({
  what,
  isolated: true,
  isFromBeginning: true,
  cause: (arranged) =>
    Effect.gen(function* () {
      yield* one(arranged, ({ network }) => network?.cut(way) ?? Effect.void)
      const [machine] = arranged.machines
      // The others see to each other: a cut between machines alone stops no shard.
      if (way === "machines" || machine === undefined) return
      yield* untilTrue(() => machine.shards().size === 0, arranged.cluster.describe)
    }),
  after: (arranged) =>
    Effect.gen(function* () {
      yield* Effect.sleep(`${seconds} seconds`)
      yield* one(arranged, ({ network }) => network?.mend(way) ?? Effect.void)
      yield* Effect.sleep("5 seconds")
      arranged.machines.push(...arranged.machines.splice(0, 1))
    })
})

const allOf = (arranged: Arranged, act: (network: Network.Attached) => Effect.Effect<void>) =>
  Effect.forEach(arranged.machines, ({ network }) => (network === undefined ? Effect.void : act(network)), {
    discard: true
  })

const withHandler = (name: string, what: string): Trouble => ({
  what,
  env: () => ({ PROOF_HANDLER: name }),
  cause: kill,
  after: replace
})

const library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

export const troubles: Record<string, Trouble> = {
  kill: { what: "SIGKILL of a machine", cause: kill, after: replace },
  stop: {
    what: "SIGTERM to a machine",
    cause: (arranged) => one(arranged, ({ end }) => end("SIGTERM")),
    after: replace
  },
  pause: {
    what: "SIGSTOP of a machine; SIGCONT 15 s after its shards are elsewhere",
    cause: (arranged) => one(arranged, ({ signal }) => signal("SIGSTOP")),
    after: (arranged) =>
      Effect.delay(
        one(arranged, ({ signal }) => signal("SIGCONT")),
        "15 seconds"
      )
  },
  blocked: {
    what: "a machine's event loop is blocked for 15 s",
    cause: (arranged) => one(arranged, ({ signal }) => signal("SIGUSR2")),
    after: () => Effect.sleep("15 seconds")
  },
  connections: {
    what: "all connections of the database are killed",
    cause: ({ database }) => database.killConnections
  },
  restart: {
    what: "the database resets and refuses connections for 15 s",
    cause: ({ proxy }) => lasting(proxy.refuse, proxy.restore)
  },
  freeze: {
    what: "the database answers nothing for 15 s",
    cause: ({ proxy }) => lasting(proxy.stall, proxy.restore)
  },
  readonly: {
    what: "the database is read-only for 15 s, for new connections and all old ones are killed",
    cause: ({ database }) => lasting(database.readOnly(true), database.readOnly(false))
  },
  full: {
    what: "the database takes no new connection for 15 s, and a machine is killed",
    cause: (arranged) => lasting(Effect.andThen(arranged.proxy.full, kill(arranged)), arranged.proxy.restore),
    after: replace
  },
  latency: {
    what: "each answer of the database takes 500 ms more for 15 s, and a machine is killed",
    cause: (arranged) => Effect.andThen(arranged.proxy.delay(500), kill(arranged)),
    after: (arranged) => Effect.andThen(Effect.delay(arranged.proxy.delay(0), "15 seconds"), replace(arranged))
  },
  "without database": without("database", 15, "one machine cannot reach the database for 15 s and more"),
  "without others": without("machines", 90, "one machine cannot reach the other machines for 90 s"),
  "without Discord": without(
    "discord",
    15,
    "one machine cannot reach Discord, until 15 s after its shards are elsewhere"
  ),
  "Discord away": {
    what: "no machine reaches Discord for 40 s",
    isolated: true,
    cause: (arranged) =>
      Effect.gen(function* () {
        yield* allOf(arranged, ({ cut }) => cut("discord"))
        yield* Effect.sleep("40 seconds")
        yield* allOf(arranged, ({ mend }) => mend("discord"))
      }),
    after: ({ cluster }) =>
      cluster.describe().includes("gives its shards")
        ? Effect.die(new Error("a machine gave its shards away to machines that cannot reach Discord either"))
        : Effect.void
  },
  "power cut": {
    what: "SIGKILL of all machines at once, and three new ones",
    cause: ({ machines, start }) =>
      Effect.gen(function* () {
        yield* Effect.forEach(machines, ({ end }) => end("SIGKILL"), { concurrency: "unbounded" })
        machines.splice(0, machines.length, ...(yield* Effect.forEach([1, 2, 3], () => start)))
      })
  },
  "1 to 5 to 1": {
    what: "two machines join three, then four of the five are told to stop, one each second; then two join",
    cause: ({ cluster, machines, start }) =>
      Effect.gen(function* () {
        machines.push(yield* start, yield* start)
        yield* cluster.spreadOver(...machines)
        for (let left = 0; left < 4; left++) {
          yield* Effect.sleep("1 second")
          const machine = machines.shift()
          if (machine !== undefined) yield* machine.end("SIGTERM")
        }
      }),
    after: ({ machines, start }) =>
      Effect.gen(function* () {
        machines.push(yield* start, yield* start)
      })
  },
  throws: withHandler("throws", "handlers fail with one message in 20, and a machine is killed"),
  dies: withHandler("dies", "handlers die of one message in 20, and a machine is killed"),
  hangs: withHandler("hangs", "handlers hang for 2 s and fail with one message in 20, and a machine is killed"),
  blocks: withHandler(
    "blocks",
    "handlers block the event loop for 100 ms with one message in 20, and a machine is killed"
  ),
  clocks: {
    takes: library,
    what: "one machine's clock is a minute fast, one's a minute slow, and a machine is killed",
    env: (place) => ({
      LD_PRELOAD: library,
      FAKETIME: ["+60s", "+0s", "-60s"][place % 3] ?? "+0s",
      DONT_FAKE_MONOTONIC: "1"
    }),
    cause: kill,
    after: replace
  }
}
