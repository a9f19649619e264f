/**
 * Detection of deaf sessions: heartbeats are acknowledged, but no event comes any more.
 *
 * Silence alone proves nothing, as a bot may be quiet for hours. After a silence that is long for this bot it asks for itself
 * as a member of one of its guilds (op 8), which Discord answers by a dispatch; only where nothing at all comes is the session
 * deaf. The length is learnt: twice the longest silence of the last 24 hours, within bounds.
 *
 * It is passive: one fiber looks after all shards (`gateway/SilencePatrol.ts`).
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { Payload } from "../schema/Payload.ts"
import { SendEvent } from "../schema/SendEvent.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"

/** Verdict on a session. */
export type SilenceVerdict =
  | { readonly _tag: "Fine" }
  /** Send this probe, and tell when it was sent. */
  | { readonly _tag: "Probe"; readonly event: SendEvent }
  /** The probe was not answered. `isLasting` where RESUMEs before have not helped, either. */
  | { readonly _tag: "Deaf"; readonly silence: Duration.Duration; readonly isLasting: boolean }

const fine: SilenceVerdict = { _tag: "Fine" }

/** Nonce of every probe, so that the answer to one of a process before, in a replay, is told apart, too. */
const nonce = "disruption-gateway:silence"

/** Least time between two probes of a shard. */
const probeInterval = Duration.toMillis(Duration.minutes(10))

/** Guilds kept for probes: enough for some to be left. */
const guildsKept = 8

/** Verdicts in a row, of a guild that had answered before, after which RESUME is not tried any more. */
const lastingAfter = 3

const hour = Duration.toMillis(Duration.hours(1))
const hoursKept = 24

/** Test for the answer to a probe, which is not for the program. */
export const isProbeAnswer = ({ d, t }: Payload): boolean => {
  if (t === "GUILD_MEMBERS_CHUNK") return Predicate.hasProperty(d, "nonce") && d.nonce === nonce
  if (t !== "RATE_LIMITED" || !Predicate.hasProperty(d, "meta")) return false
  return Predicate.hasProperty(d.meta, "nonce") && d.meta.nonce === nonce
}

/** The watch over one shard's sessions. */
export class SilenceWatch {
  private readonly clock: Clock.Clock
  private readonly limits: GatewayConfig["Service"]["silenceProbe"]
  private userId: string | undefined
  /** Guilds that can be asked, and whether one has answered in this session. */
  private readonly guilds = new Map<string, boolean>()
  /** Longest silence of each of the last hours, as a ring. */
  private readonly longest = new Float64Array(hoursKept)
  private latestHour = 0
  /** Time of the last event, and of the last dispatch of any kind. */
  private eventAt = 0
  private heardAt = 0
  private probe: { readonly guild: string; sentAt: number | undefined } | undefined
  private probedAt = -Infinity
  /** The guild of the last verdict, until something is heard that is no RESUMED. */
  private doubtful: string | undefined
  private verdicts = 0

  /** `userId` is the bot's, where its token tells it: a session that another process began brings no READY. */
  constructor(clock: Clock.Clock, limits: GatewayConfig["Service"]["silenceProbe"], userId?: string) {
    this.clock = clock
    this.limits = limits
    this.userId = userId
  }

  /** READY came: a new session, with its guilds. */
  onReady(d: unknown): void {
    this.guilds.clear()
    this.verdicts = 0
    this.doubtful = undefined
    if (Predicate.hasProperty(d, "user") && Predicate.hasProperty(d.user, "id") && Predicate.isString(d.user.id)) {
      this.userId = d.user.id
    }
    const guilds = Predicate.hasProperty(d, "guilds") && Array.isArray(d.guilds) ? d.guilds : []
    for (const guild of guilds.slice(0, guildsKept)) this.addGuild(guild)
  }

  /** READY or RESUMED came: the silence begins now. Time without a session teaches nothing. */
  onSession(): void {
    const now = MonotonicTime.of(this.clock)
    this.eventAt = now
    this.heardAt = now
    this.probe = undefined
    if (this.doubtful === undefined) return
    // The verdict may be wrong: nothing was missed. The guild may be one that cannot answer.
    if (this.guilds.get(this.doubtful) !== true || this.guilds.size > 1) this.guilds.delete(this.doubtful)
  }

  /** An event came, of which guilds are learnt. */
  onEvent({ d, t }: Payload): void {
    if (t === "GUILD_DELETE" && Predicate.hasProperty(d, "id") && Predicate.isString(d.id)) this.guilds.delete(d.id)
    else if (t === "GUILD_CREATE") this.addGuild(d)
    else if (this.guilds.size === 0 && Predicate.hasProperty(d, "guild_id")) this.addGuild({ id: d.guild_id })
  }

  /** Dispatches came on a session: events, or only the answer to a probe. */
  heard(kind: "event" | "answer"): void {
    const now = MonotonicTime.of(this.clock)
    this.heardAt = now
    if (this.probe !== undefined && kind === "answer") this.guilds.set(this.probe.guild, true)
    this.probe = undefined
    this.verdicts = 0
    this.doubtful = undefined
    if (kind === "answer") return
    const slot = this.slotAt(now)
    this.longest[slot] = Math.max(this.longest[slot] ?? 0, now - this.eventAt)
    this.eventAt = now
  }

  /** Events came before RESUMED: the session had been deaf, or was away. */
  replayed(): void {
    this.verdicts = 0
    this.doubtful = undefined
  }

  /** The silence after which the shard is probed, in milliseconds. */
  get patience(): number {
    if (this.limits === false) return Infinity
    this.slotAt(MonotonicTime.of(this.clock))
    const longest = this.longest.reduce((most, silence) => Math.max(most, silence), 0)
    const { atLeast, atMost } = this.limits
    return Math.max(Duration.toMillis(atLeast), Math.min(2 * longest, Duration.toMillis(atMost)))
  }

  /** Judges a session that is ready and whose socket is read. */
  look(): SilenceVerdict {
    const { limits, probe } = this
    if (limits === false) return fine
    const now = MonotonicTime.of(this.clock)
    if (probe !== undefined) {
      if (probe.sentAt === undefined || now - probe.sentAt < Duration.toMillis(limits.answerWithin)) return fine
      this.probe = undefined
      this.doubtful = probe.guild
      this.verdicts++
      const isLasting = this.verdicts >= lastingAfter && this.guilds.get(probe.guild) === true
      return { _tag: "Deaf", silence: Duration.millis(Math.round(now - this.heardAt)), isLasting }
    }
    if (now - this.probedAt < probeInterval || now - this.heardAt < this.patience) return fine
    const [guild] = this.guilds.keys()
    if (guild === undefined || this.userId === undefined) return fine
    this.probedAt = now
    this.probe = { guild, sentAt: undefined }
    return {
      _tag: "Probe",
      event: SendEvent.requestGuildMembers({ guild_id: guild, user_ids: [this.userId], limit: 1, nonce })
    }
  }

  /** The probe was sent, or, where it could not be, given up. */
  probed(isSent: boolean): void {
    if (this.probe === undefined) return
    if (isSent) this.probe.sentAt = MonotonicTime.of(this.clock)
    else this.probe = undefined
  }

  /** The socket was not read for some time: an answer may lie there, and has its full time again. */
  excuse(): void {
    if (this.probe?.sentAt !== undefined) this.probe.sentAt = MonotonicTime.of(this.clock)
  }

  private addGuild(guild: unknown): void {
    if (!Predicate.hasProperty(guild, "id") || !Predicate.isString(guild.id) || !/^\d+$/.test(guild.id)) return
    if (this.guilds.size < guildsKept && !this.guilds.has(guild.id)) this.guilds.set(guild.id, false)
  }

  /** Slot of the hour; those of hours in between have no silence. */
  private slotAt(now: number): number {
    const current = Math.floor(now / hour)
    if (current - this.latestHour >= hoursKept) this.longest.fill(0)
    else for (let past = this.latestHour + 1; past <= current; past++) this.longest[past % hoursKept] = 0
    this.latestHour = current
    return current % hoursKept
  }
}
