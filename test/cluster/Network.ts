/**
 * A network of its own for each machine of a cluster: to Discord, to the database and to the other machines over a bridge each, of
 * which one may be cut in silence, as by a switch that fails. It takes network namespaces, so Linux and its administrator.
 */
import { execFileSync } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

const run = (command: string) =>
  void execFileSync("ip", command.split(" "), { stdio: ["ignore", "ignore", "pipe"], timeout: 10_000 })

/** The ways of a machine. */
export const ways = ["discord", "database", "machines"] as const
export type Way = (typeof ways)[number]

/** Whether this computer lets us. */
export const isPossible = (): boolean => {
  try {
    run("netns add dgprobe")
    run("netns delete dgprobe")
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

/** A machine's part of the network. */
export interface Attached {
  /** Address under which the other machines reach it. */
  readonly address: string
  /** Command that runs another one in this part. */
  readonly command: ReadonlyArray<string>
  readonly cut: (way: Way) => Effect.Effect<void>
  readonly mend: (way: Way) => Effect.Effect<void>
}

/** Lays a network, which goes with the scope. */
export const make = Effect.gen(function* () {
  const random = yield* Random.nextIntBetween(0, 2 ** 20)
  const prefix = `dg${random.toString(36)}`
  const subnet = 16 + (random % 200)
  const bridgeOf = (way: Way) => `${prefix}${way[0]}${way[1]}`
  const networkOf = (way: Way) => `10.${subnet}.${ways.indexOf(way)}`
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      for (const way of ways) {
        run(`link add ${bridgeOf(way)} type bridge forward_delay 0`)
        run(`address add ${networkOf(way)}.1/24 dev ${bridgeOf(way)}`)
        run(`link set ${bridgeOf(way)} up`)
      }
    }),
    () =>
      Effect.sync(() => {
        for (const way of ways) run(`link delete ${bridgeOf(way)}`)
      })
  )
  let attached = 0

  /** Attaches one more machine. */
  const attach = Effect.gen(function* () {
    const number = 10 + attached++
    const namespace = `${prefix}-${number}`
    const linkOf = (way: Way) => `${bridgeOf(way)}${number}`
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        run(`netns add ${namespace}`)
        run(`-netns ${namespace} link set lo up`)
        for (const way of ways) {
          run(`link add ${linkOf(way)} type veth peer name ${way} netns ${namespace}`)
          run(`-netns ${namespace} address add ${networkOf(way)}.${number}/24 dev ${way}`)
          run(`-netns ${namespace} link set ${way} up`)
          run(`link set ${linkOf(way)} master ${bridgeOf(way)} up`)
        }
      }),
      // Its links go with it.
      () => Effect.sync(() => run(`netns delete ${namespace}`))
    )
    return {
      address: `${networkOf("machines")}.${number}`,
      command: ["ip", "netns", "exec", namespace],
      cut: (way) => Effect.sync(() => run(`link set ${linkOf(way)} nomaster`)),
      mend: (way) => Effect.sync(() => run(`link set ${linkOf(way)} master ${bridgeOf(way)}`))
    } satisfies Attached
  })

  return {
    /** Address of Discord for the machines, where it listens on this computer; and that of the database. */
    addressOf: (way: Way) => `${networkOf(way)}.1`,
    attach
  }
})
