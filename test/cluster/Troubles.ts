/**
 * Troubles that a cluster is put through, by name. Each ends when the shards are to be well again; `after` makes the cluster as
 * it was.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
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
  /** Where it gives a time, this is written in place of the time back. */
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
      if (machine === undefined) return
      yield* untilTrue(() => machine.shards().size === 0, arranged.cluster.describe)
      if (way === "discord" && !machine.process.stdout.includes(givingAway)) {
        return yield* fail("a machine lost its shards without having given them away")
      }
    }),
  after: (arranged) =>
    Effect.gen(function* () {
      yield* Effect.sleep(`${seconds} seconds`)
      yield* one(arranged, ({ network }) => network?.mend(way) ?? Effect.void)
      yield* Effect.sleep("5 seconds")
      arranged.machines.push(...arranged.machines.splice(0, 1))
    })
})

/** The `machine.js` of an earlier release, which `npm run build:test` makes in a checkout of it. */
const earlier = process.env["PROOF_EARLIER"]

/**
 * A machine of the one release takes the place of one of the other, which is told to stop or killed in turn: three of the earlier
 * release by three of this one, and back.
 */
const releases: Trouble = {
  what: "machines of an earlier release are replaced by this one's, one after the other, and back; the old one is told to stop or killed in turn",
  takes: earlier ?? "PROOF_EARLIER, the machine.js of an earlier release",
  env: (place) => (earlier !== undefined && Math.floor(place / 3) % 2 === 0 ? { PROOF_PROGRAM: earlier } : {}),
  cause: (arranged) =>
    Effect.gen(function* () {
      const { cluster, machines } = arranged
      machines.push(yield* arranged.start)
      yield* cluster.spreadOver(...machines)
      yield* one(arranged, ({ end, port }) => end(port % 2 === 0 ? "SIGTERM" : "SIGKILL"))
      machines.shift()
    })
}

/** In the log of a machine that cannot reach Discord while others can. */
const givingAway = "gives its shards"

const fail = (description: string) => Effect.die(new Error(description))

/** Reads what is so over and over until the time is over, and gives the longest that it took. */
const longestOf = (time: Effect.Effect<Duration.Duration>, millis: number) =>
  Effect.gen(function* () {
    const end = (yield* Clock.currentTimeMillis) + millis
    let longest = Duration.zero
    while ((yield* Clock.currentTimeMillis) < end) longest = Duration.max(longest, yield* time)
    return longest
  })

/** A machine that only the database and Discord can reach: every shard goes on, and what is asked across the cut fails. */
const withoutOthers: Trouble = {
  what: "one machine cannot reach the other machines for 90 s, nor ask for their shards; the time is the longest without an event of each shard",
  isolated: true,
  cause: (arranged) =>
    Effect.gen(function* () {
      const { cluster, machines } = arranged
      const [cut, other] = machines
      if (cut === undefined || other === undefined) return yield* fail("there are no machines")
      const all = machines.reduce((sum, machine) => sum + machine.shards().size, 0)
      if ((yield* cut.sees) !== all) return yield* fail("a machine does not see the others before the cut")
      yield* cut.network?.cut("machines") ?? Effect.void
      const own = cut.shards().size
      const [seen, seenByOther] = yield* Effect.all([cut.sees, other.sees], { concurrency: 2 })
      if (seen !== own) return yield* fail(`a machine of ${own} shards sees ${seen} across the cut`)
      if (seenByOther !== all - own) return yield* fail(`another machine sees ${seenByOther} of ${all} shards`)
      return yield* longestOf(cluster.handling, 90_000)
    }),
  after: (arranged) =>
    Effect.gen(function* () {
      const { cluster, machines } = arranged
      const [cut] = machines
      if (cut === undefined) return
      yield* cut.network?.mend("machines") ?? Effect.void
      yield* cluster.allConnected
      // Across the cut again, once connections that hang have ended.
      yield* Effect.repeat(cut.sees, { until: (seen) => seen === 32, schedule: Schedule.spaced("1 second"), times: 60 })
      if ((yield* cut.sees) !== 32) return yield* fail("a machine does not see the others after the cut")
      machines.push(...machines.splice(0, 1))
    })
}

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
  releases,
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
  "blocked for a minute": {
    what: "a machine's event loop is blocked for 60 s",
    env: () => ({ PROOF_BLOCK: "60000" }),
    cause: (arranged) => one(arranged, ({ signal }) => signal("SIGUSR2")),
    after: (arranged) =>
      Effect.gen(function* () {
        yield* Effect.sleep("60 seconds")
        // It takes part again, and the next one is hit.
        yield* arranged.cluster.spreadOver(...arranged.machines)
        arranged.machines.push(...arranged.machines.splice(0, 1))
      })
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
  "without others": withoutOthers,
  "without Discord": without(
    "discord",
    15,
    "one machine cannot reach Discord, until 15 s after its shards are elsewhere"
  ),
  "Discord away": {
    what: "no machine reaches Discord for 40 s; nothing is handled meanwhile, and no shard moves",
    isolated: true,
    cause: (arranged) =>
      Effect.gen(function* () {
        const { cluster, machines } = arranged
        const places = () => machines.map((machine) => [...machine.shards()].toSorted().join(" ")).join("; ")
        const moves = () => machines.map(({ process }) => process.stdout.match(/^[+-]\d+$/gm)?.length ?? 0).join(" ")
        const before = { places: places(), moves: moves() }
        yield* allOf(arranged, ({ cut }) => cut("discord"))
        yield* Effect.sleep("5 seconds")
        const handled = yield* cluster.handled
        yield* Effect.sleep("35 seconds")
        const handledAfter = yield* cluster.handled
        yield* allOf(arranged, ({ mend }) => mend("discord"))
        if (handledAfter !== handled) return yield* fail("events came from a Discord that was away")
        if (places() !== before.places || moves() !== before.moves) {
          return yield* fail(`shards moved while nobody reached Discord: ${before.places} became ${places()}`)
        }
        if (machines.some(({ process }) => process.stdout.includes(givingAway))) {
          return yield* fail("a machine gave its shards to machines that cannot reach Discord either")
        }
      })
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
