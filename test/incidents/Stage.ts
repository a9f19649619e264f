/**
 * The stage of an incident: a served Discord and one client of it, with what scenarios do to them and wait for.
 *
 * A wait ends with the state that it is for; one that does not come is a failure of the client, with a sentence that says why.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { textChannelOf } from "../../src/simulator/SampleGuild.ts"
import { member } from "../../src/simulator/SampleMembers.ts"
import { snowflake } from "../../src/simulator/Snowflakes.ts"
import type { Act, DiscordSimulator } from "../../src/testing.ts"
import type { RunningClient } from "./Client.ts"
import { type Before, before, broken, doubled, framesOf, isUp, live, resumed, type Verdict, type Wire } from "./Wire.ts"

/** The client did not do what it must. */
export class NotHeld extends Data.TaggedError("NotHeld")<{ readonly reason: string }> {}

/** Longest wait for a state, which is beyond every library's own time limits. */
const patience = Duration.seconds(90)

export class Stage {
  readonly discord: DiscordSimulator["Service"]
  readonly shards: number
  private client: RunningClient
  private readonly begin: Effect.Effect<RunningClient>
  private marks = 0
  private isStopped = false
  private earlier: ReadonlyArray<{ readonly t: string; readonly content: string | undefined }> = []

  constructor(
    discord: DiscordSimulator["Service"],
    client: RunningClient,
    begin: Effect.Effect<RunningClient>,
    shards: number
  ) {
    this.discord = discord
    this.client = client
    this.begin = begin
    this.shards = shards
  }

  /** The record so far. */
  get wire(): Effect.Effect<Wire> {
    const { connections, counts, dials, requests, sessions } = this.discord
    return Effect.map(
      Effect.all({ connections, counts, dials, requests, sessions, now: Clock.currentTimeMillis }),
      (wire) => ({
        ...wire,
        lines: [...this.earlier, ...this.client.lines],
        problem: this.client.problem,
        ended: this.client.ended
      })
    )
  }

  get before(): Effect.Effect<Before> {
    return Effect.map(this.wire, before)
  }

  /** Fails where a question finds something wrong. */
  check(question: (wire: Wire) => Verdict): Effect.Effect<void, NotHeld> {
    return Effect.flatMap(this.wire, (wire) => {
      const reason = question(wire)
      return reason === undefined ? Effect.void : Effect.fail(new NotHeld({ reason }))
    })
  }

  /** Waits for a state. `otherwise` says what is wrong where it does not come; `never` what may not be meanwhile. */
  until(
    isSo: (wire: Wire) => boolean,
    otherwise: string,
    {
      never = () => undefined,
      within = patience
    }: { readonly never?: (wire: Wire) => Verdict; readonly within?: Duration.Input } = {}
  ): Effect.Effect<void, NotHeld> {
    const { wire } = this
    return Effect.gen(function* () {
      const limit = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.fromInputUnsafe(within))
      while (true) {
        const seen = yield* wire
        const reason = never(seen) ?? broken(seen, true)
        if (reason !== undefined) return yield* new NotHeld({ reason })
        if (isSo(seen)) return
        if (seen.ended !== undefined) return yield* new NotHeld({ reason: `${otherwise}; ${seen.ended}` })
        if (seen.now > limit) {
          const problem = seen.problem === undefined ? "" : ` (it reports: ${seen.problem.slice(0, 120)})`
          return yield* new NotHeld({ reason: `${otherwise}${problem}` })
        }
        yield* Effect.sleep("50 millis")
      }
    })
  }

  /** Waits for so long, as long as nothing is wrong. */
  still(duration: Duration.Input, never: (wire: Wire) => Verdict): Effect.Effect<void, NotHeld> {
    const { wire } = this
    return Effect.gen(function* () {
      const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.fromInputUnsafe(duration))
      while (true) {
        const seen = yield* wire
        const reason = never(seen)
        if (reason !== undefined) return yield* new NotHeld({ reason })
        if (seen.now >= end) return
        yield* Effect.sleep("50 millis")
      }
    })
  }

  /** Waits until each shard has a session, on a connection opened after the moment. */
  up(since?: Before, within: Duration.Input = patience): Effect.Effect<void, NotHeld> {
    const { shards } = this
    return this.until(
      (wire) => isUp(wire, shards, since?.connection),
      since === undefined ? "it does not come to a session" : "it does not come back",
      { within }
    )
  }

  /** The client is up, and delivers. */
  get ready(): Effect.Effect<void, NotHeld> {
    return Effect.andThen(this.up(), this.flows)
  }

  /** Discord sends an event to each shard, now or when it resumes. */
  get send(): Effect.Effect<string> {
    return Effect.suspend(() => {
      const content = `mark-${++this.marks}`
      const { user: author, ...rest } = member(this.marks)
      const d = {
        id: snowflake(this.marks, 4),
        type: 0,
        channel_id: textChannelOf(0),
        guild_id: snowflake(0),
        author,
        member: rest,
        content,
        timestamp: "2026-01-01T00:00:00.000000+00:00",
        edited_timestamp: null,
        tts: false,
        mention_everyone: false,
        mentions: [],
        mention_roles: [],
        attachments: [],
        embeds: [],
        components: [],
        pinned: false,
        flags: 0
      }
      return Effect.as(this.discord.dispatch("MESSAGE_CREATE", d), content)
    })
  }

  /** An event is sent, and waited for. */
  get flows(): Effect.Effect<void, NotHeld> {
    return Effect.flatMap(this.send, (content) => this.delivers(content))
  }

  /** Waits until an event is delivered. */
  delivers(content: string, within: Duration.Input = "20 seconds"): Effect.Effect<void, NotHeld> {
    return this.until(
      ({ lines }) => lines.some((line) => line.content === content),
      "it does not deliver what Discord sends",
      { within }
    )
  }

  act(act: Act.Act): Effect.Effect<void> {
    return Effect.asVoid(this.discord.act(act))
  }

  /** Something happens to the connection, an event comes meanwhile, and the client resumes and delivers it. */
  resumes(happen: Effect.Effect<unknown>, within: Duration.Input = patience): Effect.Effect<void, NotHeld> {
    return Effect.gen({ self: this }, function* () {
      const since = yield* this.before
      yield* happen
      yield* this.up(since, within)
      yield* this.check((wire) => resumed(wire, since))
      yield* this.flows
    })
  }

  /** Something ends the session, and the client begins one without breaking a limit. */
  identifies(happen: Effect.Effect<unknown>): Effect.Effect<void, NotHeld> {
    return Effect.gen({ self: this }, function* () {
      const since = yield* this.before
      yield* happen
      yield* this.up(since)
      yield* this.check((wire) =>
        wire.counts.identifies > since.identifies ? undefined : "it is back without a session of its own"
      )
      yield* this.flows
    })
  }

  /** The same, where the session may also begin on the connection that there is. */
  identifiesHere(happen: Effect.Effect<unknown>): Effect.Effect<void, NotHeld> {
    return Effect.gen({ self: this }, function* () {
      const since = yield* this.before
      yield* happen
      yield* this.until(
        (wire) => wire.counts.identifies > since.identifies && isUp(wire, this.shards),
        "it does not come back with a session of its own"
      )
      yield* this.flows
    })
  }

  /** Nothing is dialled for so long. */
  quiet(duration: Duration.Input, what: string): Effect.Effect<void, NotHeld> {
    return Effect.flatMap(this.before, (since) =>
      this.still(duration, ({ counts }) => (counts.dials > since.dials ? what : undefined))
    )
  }

  /** Waits until five seconds have passed since the last IDENTIFY, so that the next one is not too early. */
  get mayIdentify(): Effect.Effect<void, NotHeld> {
    return this.until((wire) => wire.now - (framesOf(wire, [2]).at(-1)?.at ?? 0) > 5200, "")
  }

  ask(what: "presence" | "members" | "stop", more: { readonly times?: number; readonly guild?: string } = {}) {
    if (what === "stop") this.isStopped = true
    return this.client.ask(what, more)
  }

  /** The process is killed, and started again. */
  get restart(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* this.client.kill
      this.earlier = [...this.earlier, ...this.client.lines]
      this.client = yield* this.begin
    })
  }

  /** What holds in each incident. */
  get rules(): Effect.Effect<void, NotHeld> {
    const { isStopped } = this
    return this.check((wire) => broken(wire, isStopped) ?? doubled(wire))
  }

  /** The open connection with a session. */
  get open() {
    return Effect.map(this.wire, (wire) => live(wire)[0])
  }
}
