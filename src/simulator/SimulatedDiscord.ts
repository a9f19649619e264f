/**
 * Discord as a whole: its sessions, connections, limits and standing faults, and the events that it dispatches.
 *
 * There is no I/O in it. Transports bring connections and requests to it, through `GatewayProtocol` and `RestApi`.
 */
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { recoveryOf } from "../schema/CloseCode.ts"
import { shardOfGuild } from "../schema/ShardId.ts"
import type { Act } from "./Act.ts"
import type { Host } from "./Fault.ts"
import { IdentifyLimits } from "./IdentifyLimits.ts"
import { type Counts, type DialRecord, History, type RequestRecord } from "./Observations.ts"
import { type Peer, SimulatedConnection } from "./SimulatedConnection.ts"
import { SimulatedSession } from "./SimulatedSession.ts"
import type { Settings } from "./SimulatorOptions.ts"
import { StandingFaults } from "./StandingFaults.ts"
import type { Timers } from "./Timers.ts"

/** Whom something concerns. Without a shard or a guild it concerns everyone. */
export interface Target {
  /** Only the sessions of this shard. */
  readonly shard?: number
  /** Only the sessions of the shard that this guild is on. */
  readonly guild?: string
}

/** A session on the connections of this simulator. */
export type Session = SimulatedSession<SimulatedConnection>

/** The simulated Discord. */
export class SimulatedDiscord {
  readonly settings: Settings
  readonly timers: Timers
  readonly faults = new StandingFaults()
  readonly limits: IdentifyLimits
  readonly counts: { -readonly [Name in keyof Counts]: Counts[Name] } = {
    dials: 0,
    connections: 0,
    identifies: 0,
    resumes: 0,
    heartbeats: 0,
    httpRequests: 0,
    identifyViolations: 0,
    overruns: 0
  }
  readonly dials: History<DialRecord>
  readonly requests: History<RequestRecord>
  readonly connections: History<SimulatedConnection>
  readonly sessions: History<Session>
  /** The token that is valid now: an overrun of the day's budget resets it. */
  token: string
  private readonly open = new Set<SimulatedConnection>()
  private readonly alive = new Map<string, Session>()
  private readonly run: string

  /** `run` tells this simulator's sessions from those of another one. */
  constructor(settings: Settings, timers: Timers, run: string) {
    this.settings = settings
    this.timers = timers
    this.run = run
    this.token = Redacted.value(settings.token)
    this.limits = new IdentifyLimits(settings, timers.now())
    this.dials = new History(settings.history)
    this.requests = new History(settings.history)
    this.connections = new History(settings.history)
    this.sessions = new History(settings.history)
  }

  connect(url: URL, host: Host, peer: Peer): SimulatedConnection {
    this.counts.connections += 1
    const { connections } = this.counts
    const connection = new SimulatedConnection(connections, url, host, peer, this.timers, this.settings.history)
    this.connections.push(connection)
    this.open.add(connection)
    connection.onEnd(() => this.open.delete(connection))
    return connection
  }

  startSession(shard: readonly [id: number, total: number], intents: number): Session {
    this.forgetTheDead()
    const id = `${this.run}${(this.sessions.total + 1).toString(16).padStart(16, "0")}`
    const session: Session = new SimulatedSession(id, shard, intents, this.settings)
    this.sessions.push(session)
    this.alive.set(id, session)
    return session
  }

  /** The session with this id, if it can be resumed or is connected. */
  findSession(id: string): Session | undefined {
    const session = this.alive.get(id)
    return session?.isAlive(this.timers.now()) === true ? session : undefined
  }

  endSession(session: Session): void {
    this.alive.delete(session.id)
    session.end()
  }

  /**
   * Dispatches an event to everyone whose intents include it, or, where it has a `guild_id`, to the shard of that guild.
   * Gives the number of sessions.
   */
  dispatch(event: string, d: unknown, target: Target = guildOf(d)): number {
    const now = this.timers.now()
    // Everyone gets the same `d`, so it becomes JSON once. What JSON cannot say, such as `undefined`, reads `null`.
    const json = JSON.stringify(d) ?? "null"
    let reached = 0
    for (const session of this.alive.values()) {
      if (session.isAlive(now) && session.wants(event) && isTarget(target, session)) {
        session.dispatch(event, d, json)
        reached += 1
      }
    }
    return reached
  }

  /** The open connections. With a target, those that carry a session of its. */
  connectionsOf(target: Target = {}): ReadonlyArray<SimulatedConnection> {
    return [...this.open].filter((connection) => isTarget(target, connection.session))
  }

  /** Performs an act on a connection, with what follows from it for the session that it is about. */
  perform(act: Act, connection: SimulatedConnection, session = connection.session): void {
    if (act._tag === "InvalidSession") {
      if (!act.resumable && session !== undefined) this.endSession(session)
      connection.release()
    }
    if (act._tag === "Close" && act.code !== undefined && recoveryOf(act.code) !== "resume" && session !== undefined) {
      this.endSession(session)
    }
    connection.perform(act)
  }

  /** What Discord does to bots that IDENTIFY beyond the day's budget: all sessions end, the token is no longer valid. */
  resetToken(): void {
    this.counts.overruns += 1
    this.token = `${Redacted.value(this.settings.token)}-reset-${this.counts.overruns}`
    for (const session of this.alive.values()) this.endSession(session)
    for (const connection of this.open) connection.close(4004, "Authentication failed.")
  }

  /** No session can be resumed any more; connected ones go on until their connection is lost. */
  expireSessions(target: Target = {}): number {
    const expired = [...this.alive.values()].filter((session) => isTarget(target, session))
    for (const session of expired) session.expire()
    this.forgetTheDead()
    return expired.length
  }

  private forgetTheDead(): void {
    const now = this.timers.now()
    for (const session of this.alive.values()) {
      if (!session.isAlive(now)) this.endSession(session)
    }
  }
}

/** Discord sends a guild's events through the guild's shard alone. */
const guildOf = (d: unknown): Target =>
  Predicate.hasProperty(d, "guild_id") && Predicate.isString(d.guild_id) && /^\d+$/.test(d.guild_id)
    ? { guild: d.guild_id }
    : {}

const isTarget = ({ guild, shard }: Target, session: Session | undefined): boolean =>
  (shard === undefined || session?.shard[0] === shard) &&
  (guild === undefined || (session !== undefined && session.shard[0] === shardOfGuild(guild, session.shard[1])))
