/**
 * Reads a connection: takes what has come, acts on it, hands it on, and only then reads more.
 *
 * Handing over and counting the sequence happen in one step that nothing can interrupt: what counts as received is in the
 * log of the delivery.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  type DecompressionFailed,
  MalformedPayload,
  ReconnectRequested,
  SessionInvalidated
} from "../schema/ConnectionError.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { GatewayOpcode, isDocumentedOpcode } from "../schema/GatewayOpcode.ts"
import { hostOf, isTrustedResumeUrl } from "../schema/GatewayUrl.ts"
import type { Payload } from "../schema/Payload.ts"
import { identityOfReady } from "../schema/Identity.ts"
import { decodeHello, decodeReady, isResumable } from "../schema/ReceiveEvent.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { OpenConnection } from "../services/GatewayConnection.ts"
import type { ConnectionHeartbeat } from "../services/Heartbeat.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import type { ConnectionBatch } from "../services/SocketInbox.ts"
import { isProbeAnswer } from "./SilenceWatch.ts"
import type { ReplayEnd } from "./ReplayEnd.ts"
import type { SendWindow } from "./SendWindow.ts"
import type { Announcement, ShardLifecycle } from "./ShardLifecycle.ts"

/** The milestones of a connection, reached by what is read. */
export interface Milestones {
  /** HELLO came, with the interval of heartbeats. */
  readonly hello: Deferred.Deferred<Duration.Duration>
  /** READY or RESUMED came. */
  readonly session: Deferred.Deferred<void>
}

/** Result of one read: payloads to hand on, effects to run, and whether the connection is over. */
interface Reaction {
  payloads: Array<Payload>
  readonly effects: Array<Effect.Effect<unknown, GatewayError>>
  end?: GatewayErrorReason
  /** The last sequence, of a dispatch that nobody asked for, too. Null where there is none. */
  last: number | null
  /** The kind of dispatches that came, for the watch over silences; READY and RESUMED are none. */
  heard?: "event" | "answer"
}

/** Parts that a reader works with. */
export interface ReaderParts {
  readonly shard: ShardLifecycle
  readonly options: {
    /** Where the connection leads. */
    readonly url: string
    /** Whether malformed payloads are left out; otherwise the first one ends the connection. */
    readonly skipMalformed: boolean
    /** Removes the token from what the peer says. */
    readonly mask: (text: string) => string
  }
  readonly heartbeat: ConnectionHeartbeat
  readonly replayEnd: ReplayEnd
  readonly milestones: Milestones
  /** Bounds the answers to op 1. */
  readonly window: SendWindow
}

/** Reads one connection. */
export class ShardReader {
  private readonly parts: ReaderParts
  /** Count of dispatches before RESUMED. */
  private replayed = 0

  /** Moves on with each dispatch that comes. */
  get progress(): number {
    return this.replayed
  }

  constructor(parts: ReaderParts) {
    this.parts = parts
  }

  /** Reads until the connection has ended. */
  read(connection: OpenConnection): Effect.Effect<never, GatewayError> {
    return Effect.forever(
      Effect.flatMap(connection.receive, (batch) => this.handOn(batch)),
      { disableYield: true }
    )
  }

  private handOn({ guildsUnseen, received, size }: ConnectionBatch): Effect.Effect<void, GatewayError> {
    const reaction = this.react(received)
    if (guildsUnseen !== undefined) {
      this.parts.shard.guilds.onUnseen(guildsUnseen, this.parts.shard.session.received ?? 0)
    }
    if (reaction.heard !== undefined && this.parts.shard.state === "ready") {
      this.parts.shard.silence.heard(reaction.heard)
    }
    this.append(reaction, size)
    const { buffer } = this.parts.shard.host
    // Nearly always there is nothing more to do.
    if (reaction.effects.length === 0 && reaction.end === undefined && !buffer.isBehind() && !buffer.isFull()) {
      return Effect.void
    }
    return this.follow(reaction.effects, reaction.end)
  }

  /** Puts what was read so far into the log, under the mark of the session that it is of. */
  private append(reaction: Reaction, size: number): void {
    const { host, session } = this.parts.shard
    const { last, payloads } = reaction
    if (payloads.length === 0 && last === null) return
    host.buffer.append(payloads, size, session.append(last), session.handedOutBefore)
    reaction.payloads = []
    reaction.last = null
  }

  private follow(effects: Reaction["effects"], end: GatewayErrorReason | undefined): Effect.Effect<void, GatewayError> {
    const { heartbeat, shard } = this.parts
    return Effect.gen(function* () {
      for (const effect of effects) yield* effect
      if (end !== undefined) return yield* new GatewayError({ reason: end })
      if (shard.host.buffer.isBehind()) yield* heartbeat.whileNotReading(shard.host.buffer.giveWay)
      if (!shard.host.buffer.isFull()) return
      const [held] = yield* Effect.timed(heartbeat.whileNotReading(awaitRoom(shard)))
      shard.host.onHeld(shard.id.id, held)
    })
  }

  private react(batch: ConnectionBatch["received"]): Reaction {
    const reaction: Reaction = { payloads: [], effects: [], last: null }
    for (const payload of batch) {
      if (typeof payload === "number") this.onUnwanted(payload, reaction)
      else if ("_tag" in payload) this.onFailure(payload, reaction)
      else if (payload.op === GatewayOpcode.Dispatch) this.onDispatch(payload, reaction)
      else if (payload.op === GatewayOpcode.Heartbeat) this.onHeartbeatRequest(payload, reaction)
      else {
        reaction.payloads.push(payload)
        this.onControl(payload, reaction)
      }
      if (reaction.end !== undefined) break
    }
    return reaction
  }

  private announce(reaction: Reaction, event: Announcement): void {
    reaction.effects.push(this.parts.shard.announce(event))
  }

  private reachSession(reaction: Reaction): void {
    this.parts.shard.enter("ready")
    this.parts.shard.silence.onSession()
    this.parts.shard.saver.changed()
    reaction.effects.push(Deferred.succeed(this.parts.milestones.session, undefined))
  }

  private onReady(payload: Payload, reaction: Reaction): void {
    const ready = decodeReady(payload.d)
    if (Result.isFailure(ready)) {
      reaction.end = new MalformedPayload({ description: "READY has no session_id or no resume_gateway_url" })
      return
    }
    const { mask, url } = this.parts.options
    const { resume_gateway_url: resumeUrl } = ready.success
    // A session whose id echoes the token is one that RESUME cannot name: Discord then says that there is none.
    const sessionId = mask(ready.success.session_id)
    const trusted = mask(resumeUrl) === resumeUrl && isTrustedResumeUrl(resumeUrl, url)
    if (!trusted)
      this.announce(reaction, (common) => ShardEvent.ResumeUrlRefused({ ...common, host: mask(hostOf(resumeUrl)) }))
    this.append(reaction, 0)
    // One that echoes the token is stored nowhere.
    const identity = Option.filter(identityOfReady(payload.d), (identity) => {
      const text = JSON.stringify(identity)
      return mask(text) === text
    })
    this.parts.shard.session.establish(sessionId, trusted ? resumeUrl : url, Option.getOrUndefined(identity))
    this.parts.shard.saver.begun()
    this.parts.shard.silence.onReady(payload.d)
    this.parts.shard.guilds.onReady(payload)
    this.reachSession(reaction)
    this.announce(reaction, (common) => ShardEvent.Ready({ ...common, sessionId }))
  }

  private onResumed(reaction: Reaction): void {
    const missed = this.replayed
    const { replayEnd, shard } = this.parts
    if (missed > 0) shard.silence.replayed()
    if (shard.session.handedOutBefore > 0 && replayEnd.resumed()) reaction.effects.push(this.parts.heartbeat.beat)
    const sessionId = Option.match(this.parts.shard.session.current(), { onNone: () => "", onSome: ({ id }) => id })
    this.reachSession(reaction)
    this.announce(reaction, (common) => ShardEvent.Resumed({ ...common, sessionId, replayed: missed }))
  }

  /** Counts a sequence. Whether it is new. */
  private onSequence(sequence: number, reaction: Reaction): boolean {
    const arrival = this.parts.shard.session.receive(sequence)
    if (arrival._tag === "New") return true
    if (arrival._tag === "Duplicate") {
      this.announce(reaction, (common) => ShardEvent.DuplicateDropped({ ...common, sequence }))
      return false
    }
    this.onGap(arrival, reaction)
    return true
  }

  private onResumedSequence(sequence: number, reaction: Reaction): void {
    const arrival = this.parts.shard.session.receive(sequence)
    if (arrival._tag === "Gap") this.onGap(arrival, reaction)
  }

  private onGap({ from, to }: { readonly from: number; readonly to: number }, reaction: Reaction): void {
    this.announce(reaction, (common) => ShardEvent.GapDetected({ ...common, from, to }))
  }

  private onDispatch(payload: Payload, reaction: Reaction): void {
    if (payload.t === "READY") {
      this.parts.shard.recorder?.onDispatch(payload)
      this.onReady(payload, reaction)
    }
    if (reaction.end !== undefined) return
    if (payload.t === "RESUMED") {
      // It closes the replay. Whether it has a sequence of its own is not for us to insist on; one that jumps says that
      // something before it was not replayed.
      if (payload.s !== null) this.onResumedSequence(payload.s, reaction)
      this.onResumed(reaction)
    } else if (payload.s !== null && !this.onSequence(payload.s, reaction)) return
    reaction.last = payload.s ?? reaction.last
    // Probes are the library's own: the program does not see what they bring.
    if (isProbeAnswer(payload)) {
      reaction.heard ??= "answer"
      return
    }
    this.replayed++
    if (payload.t !== "READY" && payload.t !== "RESUMED") {
      reaction.heard = "event"
      const { recorder } = this.parts.shard
      this.parts.shard.silence.onEvent(payload)
      this.parts.shard.guilds.onEvent(payload)
      if (recorder !== undefined) recorder.onDispatch(payload)
      const isForUs = payload.t === "GUILD_DELETE" || (payload.t !== null && recorder?.records(payload.t) === true)
      if (isForUs && payload.t !== null && !this.isWanted(payload.t)) return
    }
    this.parts.shard.host.onDispatch(payload)
    reaction.payloads.push(payload)
  }

  private isWanted(name: string): boolean {
    const wanted = this.parts.shard.host.wanted()
    return wanted === undefined || wanted.has(name)
  }

  private onUnwanted(sequence: number, reaction: Reaction): void {
    if (!this.onSequence(sequence, reaction)) return
    this.replayed++
    reaction.heard = "event"
    reaction.last = sequence
  }

  private onHello(payload: Payload, reaction: Reaction): void {
    const decoded = decodeHello(payload.d)
    if (Result.isFailure(decoded)) {
      reaction.end = new MalformedPayload({ description: "HELLO has no heartbeat_interval" })
      return
    }
    reaction.effects.push(
      Deferred.succeed(this.parts.milestones.hello, Duration.millis(decoded.success.heartbeat_interval))
    )
  }

  /** Those over the limit are a flood, which is neither answered nor handed on. */
  private onHeartbeatRequest(payload: Payload, reaction: Reaction): void {
    if (!this.parts.window.takeAnswer()) return
    reaction.payloads.push(payload)
    reaction.effects.push(this.parts.heartbeat.beat)
  }

  private onControl(payload: Payload, reaction: Reaction): void {
    switch (payload.op) {
      case GatewayOpcode.HeartbeatAck:
        if (this.parts.replayEnd.acknowledged()) {
          this.append(reaction, 0)
          this.parts.shard.session.replayed()
        }
        reaction.effects.push(this.acknowledge)
        return
      case GatewayOpcode.Hello:
        this.onHello(payload, reaction)
        return
      case GatewayOpcode.Reconnect:
        reaction.end = new ReconnectRequested()
        return
      case GatewayOpcode.InvalidSession:
        reaction.end = new SessionInvalidated({ resumable: isResumable(payload.d) })
        return
      default:
        if (isDocumentedOpcode(payload.op)) return
        this.announce(reaction, (common) => ShardEvent.UnknownOpcode({ ...common, op: payload.op }))
    }
  }

  private get acknowledge(): Effect.Effect<void> {
    const { heartbeat, shard } = this.parts
    return Effect.map(heartbeat.acknowledge, () => Option.map(heartbeat.latency(), shard.host.onLatency))
  }

  private onFailure(malformed: MalformedPayload | DecompressionFailed, reaction: Reaction): void {
    // Once the inflater is out of step, nothing that follows can be read.
    if (!this.parts.options.skipMalformed || malformed._tag === "DecompressionFailed") {
      reaction.end = malformed
      return
    }
    const { description } = malformed
    this.announce(reaction, (common) => ShardEvent.MalformedSkipped({ ...common, description }))
  }
}

const awaitRoom = Effect.fnUntraced(function* (shard: ShardLifecycle) {
  const since = yield* MonotonicTime.now
  const soon = yield* Effect.timeoutOption(shard.host.buffer.room, behindAfter)
  if (Option.isSome(soon)) return
  const { payloads, subscribers } = shard.host.buffer.size()
  yield* shard.announce((common) => ShardEvent.ConsumerBehind({ ...common, buffered: payloads, subscribers }))
  yield* shard.host.buffer.room
  const after = Duration.millis((yield* MonotonicTime.now) - since)
  yield* shard.announce((common) => ShardEvent.ConsumerCaughtUp({ ...common, after }))
})

/** A full buffer is everyday business; one that stays full is news. */
const behindAfter = Duration.seconds(1)
