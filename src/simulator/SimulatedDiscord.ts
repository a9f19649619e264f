/**
 * State of the simulator: sessions, connections, limits, faults and records. Routes dispatches to sessions.
 *
 * Free of I/O: transports reach it through `GatewayProtocol` and `RestApi`.
 */
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { recoveryOfCloseCode } from "../schema/CloseCode.ts"
import { shardOfGuild } from "../schema/ShardId.ts"
import type { Act } from "./Act.ts"
import type { Host } from "./Fault.ts"
import { Guilds } from "./Guilds.ts"
import { IdentifyLimits } from "./IdentifyLimits.ts"
import { type SimulatorCounts, type DialRecord, History, type RequestRecord } from "./Observations.ts"
import { viewsOf } from "./MessageContent.ts"
import { type Peer, SimulatedConnection } from "./SimulatedConnection.ts"
import { SimulatedSession } from "./SimulatedSession.ts"
import type { Settings } from "./SimulatorOptions.ts"
import { StandingFaults } from "./StandingFaults.ts"
import type { Timers } from "./Timers.ts"

/**
 * Restriction to some sessions. Without a shard or a guild: all of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatorTarget {
  /** Restricts to the sessions of this shard. */
  readonly shard?: number
  /** Restricts to the sessions of the shard of this guild. */
  readonly guild?: string
}

/** Session on connections of this simulator. */
export type Session = SimulatedSession<SimulatedConnection>

/** State of the simulated Discord. */
export class SimulatedDiscord {
  readonly settings: Settings
  readonly timers: Timers
  readonly faults = new StandingFaults()
  readonly limits: IdentifyLimits
  readonly guilds: Guilds
  readonly counts: { -readonly [Name in keyof SimulatorCounts]: SimulatorCounts[Name] } = {
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
  /** Valid token. An overrun of the daily budget resets it. */
  token: string
  private readonly open = new Set<SimulatedConnection>()
  private readonly alive = new Map<string, Session>()
  private readonly run: string

  /** `run` is the prefix of session ids, unique to this simulator. */
  constructor(settings: Settings, timers: Timers, run: string) {
    this.settings = settings
    this.timers = timers
    this.run = run
    this.token = Redacted.value(settings.token)
    this.limits = new IdentifyLimits(settings, timers.now())
    this.guilds = new Guilds(settings.guilds)
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

  startSession(shard: readonly [id: number, total: number], intents: number, capabilities: number): Session {
    this.forgetTheDead()
    const id = `${this.run}${(this.sessions.total + 1).toString(16).padStart(16, "0")}`
    const session: Session = new SimulatedSession(id, shard, { intents, capabilities }, this.settings)
    this.sessions.push(session)
    this.alive.set(id, session)
    return session
  }

  /** Finds a session that is connected or can be resumed. */
  findSession(id: string): Session | undefined {
    const session = this.alive.get(id)
    return session?.isAlive(this.timers.now()) === true ? session : undefined
  }

  endSession(session: Session): void {
    this.alive.delete(session.id)
    session.end()
  }

  /**
   * Dispatches an event to the sessions whose intents include it; one with a `guild_id` only to the shard of the guild.
   * Returns the number of sessions.
   */
  dispatch(event: string, d: unknown, target: SimulatorTarget = guildOf(d)): number {
    const now = this.timers.now()
    this.guilds.apply(event, d)
    const viewOf = viewsOf(event, d)
    let reached = 0
    for (const session of this.alive.values()) {
      if (session.isAlive(now) && session.wants(event) && isTarget(target, session)) {
        const view = viewOf(session.intents)
        session.dispatch(event, view.d, view.json)
        reached += 1
      }
    }
    return reached
  }

  /** Number of shards that GET /gateway/bot recommends. */
  get recommendedShards(): number {
    const { guildsPerShard, shards, shardsMultiple } = this.settings
    return shards ?? Math.ceil(Math.max(1, this.guilds.size / guildsPerShard) / shardsMultiple) * shardsMultiple
  }

  /** The bot joins so many more guilds. Returns their ids. */
  joinGuilds(count: number): ReadonlyArray<string> {
    const ids = this.guilds.join(count)
    for (const guild of ids) this.dispatch("GUILD_CREATE", this.guilds.get(guild), { guild })
    return ids
  }

  /** Open connections, restricted to those with a session of the target if there is one. */
  connectionsOf(target: SimulatorTarget = {}): ReadonlyArray<SimulatedConnection> {
    return [...this.open].filter((connection) => isTarget(target, connection.session))
  }

  /** Performs an act on a connection, and ends or unbinds the session accordingly. */
  perform(act: Act, connection: SimulatedConnection, session = connection.session): void {
    if (act._tag === "InvalidSession") {
      if (!act.resumable && session !== undefined) this.endSession(session)
      connection.release()
    }
    if (
      act._tag === "Close" &&
      act.code !== undefined &&
      recoveryOfCloseCode(act.code) !== "resume" &&
      session !== undefined
    ) {
      this.endSession(session)
    }
    connection.perform(act)
  }

  /**
   * Ends all sessions and resets the token: the penalty for exceeding the daily budget of IDENTIFYs. Discord, "Identifying":
   * https://discord.com/developers/docs/events/gateway#identifying
   */
  resetToken(): void {
    this.counts.overruns += 1
    this.token = `${Redacted.value(this.settings.token)}-reset-${this.counts.overruns}`
    for (const session of this.alive.values()) this.endSession(session)
    for (const connection of this.open) connection.close(4004, "Authentication failed.")
  }

  /** Expires sessions: they can no longer be resumed. Connected ones last as long as their connection. */
  expireSessions(target: SimulatorTarget = {}): number {
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

/** Target of an event: the shard of its guild. Discord, "Sharding": https://discord.com/developers/docs/events/gateway#sharding */
const guildOf = (d: unknown): SimulatorTarget =>
  Predicate.hasProperty(d, "guild_id") && Predicate.isString(d.guild_id) && /^\d+$/.test(d.guild_id)
    ? { guild: d.guild_id }
    : {}

const isTarget = ({ guild, shard }: SimulatorTarget, session: Session | undefined): boolean =>
  (shard === undefined || session?.shard[0] === shard) &&
  (guild === undefined || (session !== undefined && session.shard[0] === shardOfGuild(guild, session.shard[1])))
