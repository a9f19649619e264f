/**
 * Reads a connection: takes what has come, acts on it, hands it on, and only then reads more.
 *
 * Handing over and counting the sequence happen in one step that nothing can interrupt: what counts as received is in the
 * log of the delivery.
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
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
import { decodeHello, decodeReady, isResumable } from "../schema/ReceiveEvent.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { Connection } from "./GatewayConnection.ts"
import type { Received } from "./FrameDecoder.ts"
import type { Pulse } from "./Heartbeat.ts"
import type { ConnectionOptions, ShardContext } from "./ShardContext.ts"

/** The milestones of a connection, reached by what is read. */
export interface Milestones {
  /** HELLO came, with the interval of heartbeats. */
  readonly hello: Deferred.Deferred<Duration.Duration>
  /** READY or RESUMED came. */
  readonly established: Deferred.Deferred<void>
}

/** Reads until the connection has ended. */
export const read = Effect.fnUntraced(function* (
  shard: ShardContext,
  options: ConnectionOptions,
  connection: Connection,
  pulse: Pulse,
  milestones: Milestones
): Effect.fn.Return<never, GatewayError> {
  const react = makeReact(shard, options, pulse, milestones)
  while (true) {
    const { received, size } = yield* connection.receive
    const { droppedUpTo, effects, end, payloads } = react(received)
    shard.append(payloads, size, droppedUpTo)
    for (const effect of effects) yield* effect
    if (end !== undefined) return yield* new GatewayError({ reason: end })
    if (shard.delivery.isFull()) yield* pulse.whileNotReading(awaitRoom(shard))
  }
})

const awaitRoom = Effect.fnUntraced(function* (shard: ShardContext) {
  const since = yield* Clock.currentTimeMillis
  const soon = yield* Effect.timeoutOption(shard.delivery.room, patience)
  if (Option.isSome(soon)) return
  const { payloads, subscribers } = shard.delivery.size()
  yield* shard.announce((common) => ShardEvent.ConsumerBehind({ ...common, buffered: payloads, subscribers }))
  yield* shard.delivery.room
  yield* shard.announce((common) =>
    ShardEvent.ConsumerCaughtUp({ ...common, after: Duration.millis(common.at - since) })
  )
})

/** A full buffer is everyday business; one that stays full is news. */
const patience = Duration.seconds(1)

/** What follows from one read: what to hand on, what to do, and whether the connection is over. */
interface Reaction {
  readonly payloads: Array<Payload>
  readonly effects: Array<Effect.Effect<unknown, GatewayError>>
  end?: GatewayErrorReason
  /** The last sequence of the dispatches that nobody asked for. */
  droppedUpTo?: number
}

const makeReact = (
  shard: ShardContext,
  { skipMalformed, url }: ConnectionOptions,
  pulse: Pulse,
  { established, hello }: Milestones
) => {
  let replayed = 0
  const announce = (reaction: Reaction, event: Parameters<ShardContext["announce"]>[0]) =>
    reaction.effects.push(shard.announce(event))
  const reachSession = (reaction: Reaction) => {
    shard.enter("ready")
    reaction.effects.push(Deferred.succeed(established, undefined))
  }

  const onReady = (payload: Payload, reaction: Reaction) => {
    const ready = decodeReady(payload.d)
    if (Result.isFailure(ready)) {
      reaction.end = new MalformedPayload({ description: "READY has no session_id or no resume_gateway_url" })
      return
    }
    const { resume_gateway_url: resumeUrl, session_id: sessionId } = ready.success
    const trusted = isTrustedResumeUrl(resumeUrl, url)
    if (!trusted) announce(reaction, (common) => ShardEvent.ResumeUrlRefused({ ...common, host: hostOf(resumeUrl) }))
    shard.session.establish(sessionId, trusted ? resumeUrl : url)
    reachSession(reaction)
    announce(reaction, (common) => ShardEvent.Ready({ ...common, sessionId }))
  }

  const onResumed = (reaction: Reaction) => {
    const missed = replayed
    const sessionId = Option.match(shard.session.current(), { onNone: () => "", onSome: ({ id }) => id })
    reachSession(reaction)
    announce(reaction, (common) => ShardEvent.Resumed({ ...common, sessionId, replayed: missed }))
  }

  /** Counts a sequence. Whether it is new. */
  const onSequence = (sequence: number, reaction: Reaction): boolean => {
    const arrival = shard.session.receive(sequence)
    if (arrival._tag === "New") return true
    if (arrival._tag === "Duplicate") {
      announce(reaction, (common) => ShardEvent.DuplicateDropped({ ...common, sequence }))
      return false
    }
    const { from, to } = arrival
    announce(reaction, (common) => ShardEvent.GapDetected({ ...common, from, to }))
    return true
  }

  const onDispatch = (payload: Payload, reaction: Reaction) => {
    if (payload.t === "READY") onReady(payload, reaction)
    if (reaction.end !== undefined) return
    if (payload.t === "RESUMED") {
      // It closes the replay. Whether it has a sequence of its own is not for us to insist on.
      if (payload.s !== null) shard.session.receive(payload.s)
      onResumed(reaction)
    } else if (payload.s !== null && !onSequence(payload.s, reaction)) return
    replayed++
    shard.onDispatch(payload)
    reaction.payloads.push(payload)
  }

  const onUnwanted = (sequence: number, reaction: Reaction) => {
    if (!onSequence(sequence, reaction)) return
    replayed++
    reaction.droppedUpTo = sequence
  }

  const onHello = (payload: Payload, reaction: Reaction) => {
    const decoded = decodeHello(payload.d)
    if (Result.isFailure(decoded)) {
      reaction.end = new MalformedPayload({ description: "HELLO has no heartbeat_interval" })
      return
    }
    reaction.effects.push(Deferred.succeed(hello, Duration.millis(decoded.success.heartbeat_interval)))
  }

  const onControl = (payload: Payload, reaction: Reaction) => {
    switch (payload.op) {
      case GatewayOpcode.Heartbeat:
        reaction.effects.push(pulse.beat)
        return
      case GatewayOpcode.HeartbeatAck:
        reaction.effects.push(pulse.acknowledge)
        return
      case GatewayOpcode.Hello:
        onHello(payload, reaction)
        return
      case GatewayOpcode.Reconnect:
        reaction.end = new ReconnectRequested()
        return
      case GatewayOpcode.InvalidSession:
        reaction.end = new SessionInvalidated({ resumable: isResumable(payload.d) })
        return
      default:
        if (isDocumentedOpcode(payload.op)) return
        announce(reaction, (common) => ShardEvent.UnknownOpcode({ ...common, op: payload.op }))
    }
  }

  const onFailure = (malformed: MalformedPayload | DecompressionFailed, reaction: Reaction) => {
    // Once the inflater is out of step, nothing that follows can be read.
    if (!skipMalformed || malformed._tag === "DecompressionFailed") {
      reaction.end = malformed
      return
    }
    const { description } = malformed
    announce(reaction, (common) => ShardEvent.MalformedSkipped({ ...common, description }))
  }

  return (batch: Arr.NonEmptyReadonlyArray<Received>): Reaction => {
    const reaction: Reaction = { payloads: [], effects: [] }
    for (const payload of batch) {
      if (typeof payload === "number") onUnwanted(payload, reaction)
      else if ("_tag" in payload) onFailure(payload, reaction)
      else if (payload.op === GatewayOpcode.Dispatch) onDispatch(payload, reaction)
      else {
        reaction.payloads.push(payload)
        onControl(payload, reaction)
      }
      if (reaction.end !== undefined) break
    }
    return reaction
  }
}
