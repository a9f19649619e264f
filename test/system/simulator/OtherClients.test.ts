import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Act, DiscordSimulator, Fault } from "disruption-gateway/testing"
import { sampleToken } from "../../../src/simulator/Bot.ts"
import * as CommandLine from "../../support/CommandLine.ts"
import { type Bot, hasDiscordPy, type Installed, install, start } from "../../support/OtherClients.ts"
import { until, untilTrue } from "../../support/Patience.ts"

/** A library, with what it does otherwise than others: the table in docs/testing.md says what of it is wrong. */
interface Library {
  readonly name: string
  /** What it writes of what is no incident: at every start, or where it has lost HELLO, which came with the upgrade. */
  readonly writesAnyway?: RegExp
  /** What it writes of incidents. */
  readonly writes?: RegExp
  /** Incidents after which it identifies, though it could resume. */
  readonly identifiesAfter?: ReadonlyArray<string>
  /** Whether it takes any payload for the acknowledgement of a heartbeat: it notices silence, or does not recover from it. */
  readonly takesAnyPayload?: "notices silence" | "does not recover from silence"
}

const isLost = /socket hang up|ECONNREFUSED|ECONNRESET/

/** The slowest to come back first. */
const libraries: ReadonlyArray<Library> = [
  {
    name: "cloudstorm",
    // After ten seconds without HELLO, its state machine throws and prints its last transitions.
    writesAnyway:
      /^[┌├└│]|onEnter callback for state (connected|half_close) \(during transition half_close --user_close-->/,
    writes: /socket hang up|attempting to heartbeat when the ws was not open/
  },
  {
    name: "seyfert",
    writesAnyway: /^problem Shard #0 closed: Timeout/,
    writes: /^problem Shard #0 closed: (UnknownError|1006|ZombiedConnection)/
  },
  { name: "@discordjs/ws", writes: isLost, identifiesAfter: ["a lost connection and a refused dial"] },
  { name: "discord.js", writes: isLost, identifiesAfter: ["a lost connection and a refused dial"] },
  {
    name: "oceanic.js",
    writes: /Unknown close: 4000|Session Invalidated\.|socket hang up|Server didn't acknowledge previous heartbeat/
  },
  {
    name: "eris",
    writes:
      /4000: Unknown error|Connection reset by peer|socket hang up|Invalid session, reidentifying|Server didn't acknowledge/,
    identifiesAfter: ["op 9, resumable"]
  },
  {
    name: "discordeno",
    writes: /There was an error connecting Shard #0/,
    identifiesAfter: ["a lost connection and a refused dial"],
    takesAnyPayload: "does not recover from silence"
  },
  {
    name: "discord.py",
    writesAnyway: /^problem PyNaCl is not installed/,
    writes: /^problem (Attempting a reconnect in|Shard ID \S+ has stopped responding)/,
    takesAnyPayload: "notices silence"
  }
]

/** Waits for what a bot on another library comes to. */
const waitFor = (bot: Bot, isSo: () => boolean) => untilTrue(isSo, bot.description)

/** What it has written, but for what it writes anyway. */
const written = ({ writesAnyway }: Library, bot: Bot) =>
  bot.problems().filter((line) => writesAnyway?.test(line) !== true)

const starts = Effect.map(
  Effect.flatMap(DiscordSimulator, ({ counts }) => counts),
  ({ identifies, resumes }) => ({ identifies, resumes, all: identifies + resumes })
)

/** The open connection with a session. */
const connected = Effect.map(
  Effect.flatMap(DiscordSimulator, ({ connections }) => connections),
  (connections) => connections.findLast(({ end, sessionId }) => end === undefined && sessionId !== undefined)
)

/** Waits until five seconds have passed since the last IDENTIFY, so that another one is not too early. */
const untilItMayIdentify = until(
  Effect.gen(function* () {
    const { connections } = yield* DiscordSimulator
    const frames = (yield* connections).flatMap(({ frames }) => frames)
    return (yield* Clock.currentTimeMillis) - (frames.findLast(({ op }) => op === 2)?.at ?? 0)
  }),
  (age) => age > 5000
)

interface Incident {
  readonly what: string
  readonly happen: (bot: Bot, library: Library) => Effect.Effect<unknown, never, DiscordSimulator>
  readonly canResume: boolean
}

const act = (act: Act.Act) => Effect.flatMap(DiscordSimulator, (simulator) => simulator.act(act))

const acts = (what: string, canResume: boolean, act_: Act.Act): Incident => ({
  what,
  canResume,
  happen: () => act(act_)
})

/** Heartbeats are not acknowledged, until the bot has noticed. A library that takes any payload for an acknowledgement goes on. */
const missAcknowledgements = Effect.fnUntraced(function* (bot: Bot, { takesAnyPayload }: Library) {
  const { connections, faults } = yield* DiscordSimulator
  const before = yield* until(connected, (connection) => connection !== undefined, bot.description)
  const same = Effect.map(connections, (all) => all.find(({ id }) => id === before?.id))
  const heartbeats = (connection: typeof before) => connection?.frames.filter(({ op }) => op === 1).length ?? 0
  const unacknowledged = Fault.heartbeat(Fault.nothing)
  yield* faults.inject(unacknowledged)
  if (takesAnyPayload === undefined) {
    yield* until(same, (connection) => connection?.end !== undefined, bot.description)
    return yield* faults.lift(unacknowledged)
  }
  yield* until(same, (connection) => heartbeats(connection) >= heartbeats(before) + 3, bot.description)
  yield* faults.lift(unacknowledged)
  assert.strictEqual((yield* connected)?.id, before?.id)
  // Then nothing comes at all, or the connection is lost.
  yield* act(takesAnyPayload === "notices silence" ? Act.mute : Act.drop)
})

const incidents: ReadonlyArray<Incident> = [
  acts("op 7", true, Act.reconnect),
  acts("a close with 4000", true, Act.close(4000, "Unknown error.")),
  acts("a lost connection", true, Act.drop),
  {
    what: "a lost connection and a refused dial",
    canResume: true,
    happen: () =>
      Effect.flatMap(DiscordSimulator, ({ drop, faults }) =>
        Effect.andThen(faults.inject(Fault.dial("refuse", { times: 1 })), drop())
      )
  },
  { what: "heartbeats without acknowledgement", canResume: true, happen: missAcknowledgements },
  acts("op 9, resumable", true, Act.invalidSession(true)),
  acts("op 9, not resumable", false, Act.invalidSession(false))
]

describe.concurrent("a bot on another library", () => {
  let installed: Installed | undefined
  let hasPython = false
  beforeAll(async () => {
    installed = await install()
    hasPython = await hasDiscordPy()
  })
  afterAll(() => installed?.dispose())

  for (const library of libraries) {
    const { identifiesAfter = [], name, writes } = library
    const isThere = (): boolean => installed !== undefined && (name !== "discord.py" || hasPython)
    const bot = (env: Record<string, string>) => start(name, installed?.folder ?? "", env)

    it.live(
      `${name} logs in to the command simulate, takes 500 events and asks for members, without a warning`,
      (context) =>
        Effect.gen(function* () {
          if (!isThere()) return context.skip()
          const discord = yield* CommandLine.start(["simulate", "--rate", "200", "--incidents", "none"])
          const [, token = ""] = yield* discord.says(/^export DISCORD_TOKEN=(.*)$/m)
          const [, url = ""] = yield* discord.says(/^export DISCORD_API_URL=(.*)$/m)
          const client = yield* bot({ DISCORD_TOKEN: token, DISCORD_API_URL: url })
          yield* waitFor(client, () => client.events() >= 500 && client.members() > 0)
          assert.deepStrictEqual(written(library, client), [])
          assert.notMatch(discord.stdout, /closed by|dropped by/)
        }).pipe(Effect.scoped)
    )

    it.live(`${name} comes through incidents`, (context) =>
      Effect.gen(function* () {
        if (!isThere()) return context.skip()
        const { apiUrl, connections, counts } = yield* DiscordSimulator
        yield* Effect.forkScoped(DiscordSimulator.traffic({ perSecond: 60, guilds: 10 }))
        const client = yield* bot({ DISCORD_TOKEN: sampleToken, DISCORD_API_URL: apiUrl })
        yield* waitFor(client, () => client.members() > 0)

        for (const { canResume, happen, what } of incidents) {
          if (what.startsWith("op 9")) yield* untilItMayIdentify
          const before = yield* starts
          yield* happen(client, library)
          yield* until(starts, ({ all }) => all > before.all, client.description)
          yield* until(connected, (connection) => connection !== undefined, client.description)
          const events = client.events()
          yield* waitFor(client, () => client.events() >= events + 20)
          const { identifies, resumes } = yield* starts
          const isIdentified = !canResume || identifiesAfter.includes(what)
          assert.deepStrictEqual(
            { what, resumed: resumes - before.resumes, identified: identifies - before.identifies },
            { what, resumed: isIdentified ? 0 : 1, identified: isIdentified ? 1 : 0 }
          )
        }

        assert.deepStrictEqual(
          written(library, client).filter((line) => writes?.test(line) !== true),
          []
        )
        const { identifyViolations, overruns } = yield* counts
        assert.deepStrictEqual({ identifyViolations, overruns }, { identifyViolations: 0, overruns: 0 })
        // No rule of Discord's was broken: what ended by the server ended by an incident.
        const refusals = (yield* connections).flatMap(({ end }) =>
          end?.by === "server" && end.code !== undefined && end.code !== 4000 ? [end] : []
        )
        assert.deepStrictEqual(refusals, [])
      }).pipe(
        Effect.scoped,
        Effect.provide(DiscordSimulator.serve({ guilds: 10, token: sampleToken, heartbeatInterval: "2 seconds" }))
      )
    )
  }
})
