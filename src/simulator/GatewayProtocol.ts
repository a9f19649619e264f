/**
 * Discord's side of the gateway protocol on one connection: HELLO, and the answer to every frame of the client.
 *
 * An injected fault may replace an answer. Discord, "Connection Lifecycle": https://discord.com/developers/docs/events/gateway#connection-lifecycle
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { CloseCode } from "../schema/CloseCode.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import { decodeClientJson } from "./ClientJson.ts"
import { type Answer, channelInfo, isPresence, soundboardSounds } from "./ClientRequests.ts"
import { encoderOf, largePayloads } from "./Compression.ts"
import { hostOf } from "./Dial.ts"
import type { FaultAt } from "./StandingFaults.ts"
import { ClientPayload, Identify, judgeIntents, judgeShard, Resume } from "./Identify.ts"
import { ready } from "./Ready.ts"
import type { Peer, SimulatedConnection } from "./SimulatedConnection.ts"
import type { Session, SimulatedDiscord } from "./SimulatedDiscord.ts"

/** Bytes of one payload. Discord, "Sending Events": https://discord.com/developers/docs/events/gateway#sending-events */
const maxFrameBytes = 4096
/** Versions that Discord serves and nobody is told to leave. Discord, "API Versioning": https://discord.com/developers/docs/reference#api-versioning */
const versions: ReadonlySet<string> = new Set(["9", "10"])
/** Frames of a connection in 60 seconds. Discord, "Rate Limiting": https://discord.com/developers/docs/events/gateway#rate-limiting */
const maxFrames = 120
const framesWindow = 60_000

const decodePayload = Schema.decodeUnknownOption(ClientPayload)
const decodeIdentify = Schema.decodeUnknownOption(Identify)
const decodeResume = Schema.decodeUnknownOption(Resume)

/** Events of one connection that a transport reports to the simulator. */
export interface GatewayProtocol {
  readonly received: (frame: string | Uint8Array) => void
  /** Close frame of the client; it is echoed. */
  readonly closed: (code: number | undefined, reason: string) => void
  /** Loss of the connection without a close frame. */
  readonly lost: () => void
}

/** Runs the protocol on a connection that has just been opened. */
export const open = (discord: SimulatedDiscord, url: URL, peer: Peer): GatewayProtocol => {
  const connection = discord.connect(url, hostOf(discord, url), peer)
  const protocol = new ConnectionProtocol(discord, connection)
  protocol.begin()
  return protocol
}

class ConnectionProtocol implements GatewayProtocol {
  private readonly discord: SimulatedDiscord
  private readonly connection: SimulatedConnection
  private lastHeartbeat: number
  private recentFrames: ReadonlyArray<number> = []

  constructor(discord: SimulatedDiscord, connection: SimulatedConnection) {
    this.discord = discord
    this.connection = connection
    this.lastHeartbeat = discord.timers.now()
  }

  begin(): void {
    const { connection, discord } = this
    const { heartbeatInterval, heartbeatTimeout } = discord.settings
    const query = connection.url.searchParams
    if (!versions.has(query.get("v") ?? "")) return this.refuse(CloseCode.InvalidApiVersion, "Invalid API version.")
    if ((query.get("encoding") ?? "json") !== "json") return this.refuse(CloseCode.DecodeError, "Unknown encoding.")
    const encode = encoderOf(query.get("compress"))
    if (encode === undefined) return this.refuse(CloseCode.DecodeError, "Unknown compression.")
    connection.encode = encode
    if (heartbeatTimeout) this.watchHeartbeats(2 * heartbeatInterval)
    this.meet("hello", connection.session, () =>
      connection.send(GatewayOpcode.Hello, { heartbeat_interval: heartbeatInterval })
    )
  }

  received(frame: string | Uint8Array): void {
    this.connection.hear(() => this.judge(frame))
  }

  closed(code: number | undefined, reason: string): void {
    const { connection, discord } = this
    connection.closedByClient(code, reason, () => {
      const { session } = connection
      if ((code === 1000 || code === 1001) && session !== undefined) discord.endSession(session)
    })
  }

  lost(): void {
    this.connection.lost()
  }

  private judge(frame: string | Uint8Array): void {
    const { connection, discord } = this
    const text = typeof frame === "string" ? frame : new TextDecoder().decode(frame)
    const json = decodeClientJson(text)
    const payload = Option.flatMap(json, decodePayload)
    const now = discord.timers.now()
    connection.note({
      at: now,
      op: Option.getOrUndefined(payload)?.op,
      payload: Option.match(json, {
        onNone: () => text.replaceAll(discord.token, "<token>"),
        onSome: (json) => withoutToken(json, discord.token)
      })
    })
    const bytes = typeof frame === "string" ? new TextEncoder().encode(frame).length : frame.length
    if (bytes > maxFrameBytes) return this.refuse(CloseCode.DecodeError, "Payload too large.")
    this.recentFrames = [...this.recentFrames.filter((at) => at > now - framesWindow), now]
    if (this.recentFrames.length > maxFrames) return this.refuse(CloseCode.RateLimited, "Rate limited.")
    if (Option.isNone(payload)) return this.refuse(CloseCode.DecodeError, "Error while decoding payload.")
    this.answer(payload.value)
  }

  private answer({ d, op }: typeof ClientPayload.Type): void {
    switch (op) {
      case GatewayOpcode.Heartbeat:
        return this.heartbeat(d)
      case GatewayOpcode.Identify:
        return this.startOnce(Option.map(decodeIdentify(d), (identify) => () => this.identify(identify)))
      case GatewayOpcode.Resume:
        return this.startOnce(Option.map(decodeResume(d), (resume) => () => this.resume(resume)))
      case GatewayOpcode.RequestGuildMembers:
        return this.request((session) => session.memberRequests.answer(d, session.intents, this.discord.timers.now()))
      case GatewayOpcode.VoiceStateUpdate:
        return this.request((session) => session.voiceStates.answer(d, session.id))
      case GatewayOpcode.PresenceUpdate:
        return this.request(() => (isPresence(d) ? [] : undefined))
      case GatewayOpcode.RequestSoundboardSounds:
        return this.request(() => soundboardSounds(d))
      case GatewayOpcode.RequestChannelInfo:
        return this.request(() => channelInfo(d))
      default:
        return this.refuse(CloseCode.UnknownOpcode, "Unknown opcode.")
    }
  }

  /** Dispatches the answers to a request of a session; `undefined` closes the connection. */
  private request(answer: (session: Session) => ReadonlyArray<Answer> | undefined): void {
    const { session } = this.connection
    if (session === undefined) return this.refuse(CloseCode.NotAuthenticated, "Not authenticated.")
    const answers = answer(session)
    if (answers === undefined) return this.refuse(CloseCode.DecodeError, "Error while decoding payload.")
    for (const { d, t } of answers) if (session.wants(t)) tell(session, t, d)
  }

  private heartbeat(sequence: unknown): void {
    const { connection, discord } = this
    discord.counts.heartbeats += 1
    if (Predicate.isNumber(sequence)) connection.session?.acknowledge(sequence)
    this.lastHeartbeat = discord.timers.now()
    this.meet("heartbeat", connection.session, () => connection.send(GatewayOpcode.HeartbeatAck))
  }

  /** A connection takes one IDENTIFY or RESUME; a second one only after Invalid Session (op 9). */
  private startOnce(start: Option.Option<() => void>): void {
    if (this.connection.phase !== "new") return this.refuse(CloseCode.AlreadyAuthenticated, "Already authenticated.")
    if (Option.isNone(start)) return this.refuse(CloseCode.DecodeError, "Error while decoding payload.")
    this.connection.phase = "pending"
    start.value()
  }

  private identify(identify: typeof Identify.Type): void {
    const { connection, discord } = this
    const { counts, limits, settings, timers } = discord
    counts.identifies += 1
    if (!this.isToken(identify.token)) return this.refuse(CloseCode.AuthenticationFailed, "Authentication failed.")
    const shard = judgeShard(identify, settings, (shard) => discord.guilds.ofShard(shard).length)
    const intents = judgeIntents(identify, settings)
    const verdict = limits.identify(Result.isSuccess(shard) ? shard.success[0] : 0, timers.now())
    if (verdict === "overrun") return discord.resetToken()
    if (verdict === "violation") {
      counts.identifyViolations += 1
      return discord.perform({ _tag: "InvalidSession", resumable: false }, connection)
    }
    if (Result.isFailure(shard)) return this.refuse(shard.failure.code, shard.failure.reason)
    if (Result.isFailure(intents)) return this.refuse(intents.failure.code, intents.failure.reason)
    this.meet(
      "identify",
      undefined,
      () => {
        const session = discord.startSession(shard.success, intents.success, identify.capabilities ?? 0)
        const isPlain = !connection.url.searchParams.has("compress")
        if (identify.compress === true && isPlain) connection.encode = largePayloads()
        session.attach(connection)
        connection.carry(session)
        const sharded = identify.shard !== undefined
        const version = Number(connection.url.searchParams.get("v"))
        const guilds = discord.guilds.ofShard(shard.success)
        const started = { settings, guilds, sessionId: session.id, shard: shard.success, sharded, version }
        tell(session, "READY", ready(started))
        if (!session.wants("GUILD_CREATE")) return
        for (const id of guilds) {
          const guild = discord.guilds.get(id)
          if (guild !== undefined) tell(session, "GUILD_CREATE", guild)
        }
      },
      shard.success[0]
    )
  }

  private resume(resume: typeof Resume.Type): void {
    const { connection, discord } = this
    discord.counts.resumes += 1
    if (!this.isToken(resume.token)) return this.refuse(CloseCode.AuthenticationFailed, "Authentication failed.")
    this.meet("resume", discord.findSession(resume.session_id), () => {
      // The old connection of a client that resumes is dead. Dropping it ends a session that has expired.
      discord.findSession(resume.session_id)?.connection?.drop()
      const session = discord.findSession(resume.session_id)
      if (session === undefined || !session.canReplay(resume.seq)) {
        return discord.perform({ _tag: "InvalidSession", resumable: false }, connection, session)
      }
      if (resume.seq > session.sequence) {
        discord.endSession(session)
        return this.refuse(CloseCode.InvalidSeq, "Invalid seq.")
      }
      session.attach(connection)
      connection.carry(session)
      session.replay(resume.seq)
      session.sayResumed()
    })
  }

  /** Sends the regular answer unless a fault replaces it. */
  private meet(
    at: "hello" | "heartbeat" | "identify" | "resume",
    session: Session | undefined,
    giveRightAnswer: () => void,
    shard = session?.shard[0]
  ): void {
    const { connection, discord } = this
    const fault: FaultAt<typeof at> | undefined = discord.faults.meet(at, { host: connection.host, shard })
    if (fault === undefined) return giveRightAnswer()
    const { answer, when = "instead" } = fault
    if (answer._tag === "Nothing") return
    if (answer._tag === "Late") {
      const callOff = discord.timers.after(Duration.toMillis(answer.by), giveRightAnswer)
      return connection.onEnd(callOff)
    }
    if (when === "after") giveRightAnswer()
    if (!connection.isOver) discord.perform(answer, connection, connection.session ?? session)
    if (when === "before" && !connection.isOver) giveRightAnswer()
  }

  private watchHeartbeats(limit: number): void {
    const { connection, discord } = this
    const check = (): void => {
      const idle = discord.timers.now() - this.lastHeartbeat
      // A muted connection reads no heartbeats, so none can be missed.
      if (connection.isMute) this.lastHeartbeat = discord.timers.now()
      else if (idle >= limit) {
        if (connection.session !== undefined) discord.endSession(connection.session)
        return this.refuse(CloseCode.SessionTimedOut, "Session timed out.")
      }
      callOff = discord.timers.after(connection.isMute ? limit : limit - idle, check)
    }
    let callOff = discord.timers.after(limit, check)
    connection.onEnd(() => callOff())
  }

  private isToken(token: string): boolean {
    return withoutScheme(token) === this.discord.token
  }

  private refuse(code: CloseCode, reason: string): void {
    this.connection.close(code, reason)
  }
}

const tell = (session: Session, event: string, d: unknown): void => session.dispatch(event, d, JSON.stringify(d))

/** Token of an IDENTIFY or RESUME. Several clients write it there as in the header `Authorization`, and Discord takes it. */
const withoutScheme = (token: string): string => token.replace(/^Bot /, "")

const withoutToken = (payload: unknown, token: string): unknown =>
  Predicate.isObject(payload) && Predicate.hasProperty(payload, "d") && Predicate.hasProperty(payload.d, "token")
    ? { ...payload, d: { ...payload.d, token: redacted(payload.d.token, token) } }
    : payload

const redacted = (sent: unknown, token: string): string =>
  Predicate.isString(sent) && withoutScheme(sent) === token ? "<token>" : "<wrong token>"
