/**
 * The life of one connection of a shard, from the dial to the reason for its end:
 *
 *     connect → HELLO → heartbeats → RESUME or IDENTIFY → READY or RESUMED → payloads … → reason
 *
 * Reading, the heartbeat, what leads to a session, and the alarm of a machine that was asleep go on at once, and the first
 * that fails ends the connection with its reason.
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  GatewayError,
  type GatewayErrorReason,
  HelloTimeout,
  IdentifyBudgetExhausted,
  MalformedPayload,
  ReconnectRequested,
  SessionInvalidated,
  SystemSlept
} from "../schema/GatewayError.ts"
import { GatewayOpcode, isDocumentedOpcode } from "../schema/GatewayOpcode.ts"
import { hostOf, isTrustedResumeUrl } from "../schema/GatewayUrl.ts"
import type { Payload } from "../schema/Payload.ts"
import { decodeHello, decodeReady, isResumable } from "../schema/ReceiveEvent.ts"
import { heartbeat, identify, resume } from "../schema/SendEvent.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState } from "../schema/ShardStatus.ts"
import type { Delivery } from "./Delivery.ts"
import { type Connection, GatewayConnection } from "./GatewayConnection.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { Heartbeat, type Pulse } from "./Heartbeat.ts"
import { IdentifyLimiter } from "./IdentifyLimiter.ts"
import { SessionStore } from "./SessionStore.ts"
import type { ShardEvents } from "./ShardEvents.ts"
import type { ShardSession } from "./ShardSession.ts"
import type { Wake } from "./Wake.ts"

/** What a connection needs to know of its shard, and tells it. */
export interface ShardContext {
  readonly id: ShardId
  readonly session: ShardSession
  readonly delivery: Delivery
  readonly events: ShardEvents
  readonly wake: Wake
  /** The shard has come into a state. */
  readonly enter: (state: ShardState) => void
  /** The connection's heartbeat, for those who want to know the latency. */
  readonly beating: (pulse: Pulse) => void
}

/** How a connection is made. */
export interface ConnectionOptions {
  readonly url: string
  /** Whether malformed payloads are left out; otherwise the first one ends the connection. */
  readonly skipMalformed: boolean
}

/** Connects to a URL and stays until there is a reason to end. */
export const run = Effect.fn("ShardConnection.run")(function* (
  shard: ShardContext,
  options: ConnectionOptions
): Effect.fn.Return<
  never,
  GatewayError,
  GatewayConnection | GatewayConfig | Heartbeat | IdentifyLimiter | SessionStore | Scope.Scope
> {
  const config = yield* GatewayConfig
  const connections = yield* GatewayConnection
  const heartbeats = yield* Heartbeat
  const store = yield* SessionStore

  const { url } = options
  const session = shard.session.current()
  shard.enter("connecting")
  yield* shard.events.announce((at) =>
    ShardEvent.Connecting({ shard: shard.id.id, at, host: hostOf(url), resuming: Option.isSome(session) })
  )
  const connection = yield* connections.open({
    url,
    shard: shard.id,
    closeCode: store.durable ? sessionKeepingCode : sessionEndingCode
  })
  shard.enter("greeting")
  const pulse = yield* heartbeats.make(
    Effect.suspend(() => {
      // Discord may forget what a heartbeat acknowledges, and a restart resumes from what was handled.
      const { handled, received } = shard.session.marks()
      return connection.send(heartbeat(store.durable ? handled : received))
    })
  )
  shard.beating(pulse)
  const hello = yield* Deferred.make<Duration.Duration>()

  const establish = Effect.gen(function* () {
    const interval = yield* Effect.timeoutOrElse(Deferred.await(hello), {
      duration: config.timeouts.hello,
      orElse: () => fail(shard, new HelloTimeout({ after: config.timeouts.hello }))
    })
    yield* shard.events.announce((at) => ShardEvent.Greeted({ shard: shard.id.id, at, heartbeatInterval: interval }))
    yield* Effect.all(
      [
        Effect.mapError(pulse.run(interval), (error) => ofShard(shard, error)),
        Option.match(session, {
          onNone: () => sendIdentify(shard, connection),
          onSome: ({ id, sequence }) => sendResume(shard, connection, id, sequence)
        })
      ],
      { concurrency: "unbounded", discard: true }
    )
    return yield* Effect.never
  })

  return yield* Effect.raceAllFirst([
    read(shard, options, connection, pulse, hello),
    establish,
    Effect.flatMap(shard.wake.next, (slept) => fail(shard, new SystemSlept({ slept })))
  ])
})

/** Ends the session at Discord: the bot goes offline at once. */
const sessionEndingCode = 1000
/** Leaves the session alive for as long as Discord keeps it. */
const sessionKeepingCode = 4000

const ofShard = (shard: ShardContext, error: GatewayError) =>
  new GatewayError({ reason: error.reason, shard: shard.id.id })

const fail = (shard: ShardContext, reason: GatewayErrorReason) =>
  Effect.fail(new GatewayError({ reason, shard: shard.id.id }))

// ---------------------------------------------------------------------------------------------------------------------
// Towards a session
// ---------------------------------------------------------------------------------------------------------------------

const sendResume = Effect.fnUntraced(function* (
  shard: ShardContext,
  connection: Connection,
  sessionId: string,
  sequence: number
) {
  const { token } = yield* GatewayConfig
  shard.enter("resuming")
  yield* shard.events.announce((at) => ShardEvent.Resuming({ shard: shard.id.id, at, sessionId, sequence }))
  yield* Effect.suspend(() =>
    Option.match(shard.session.current(), {
      onNone: () => Effect.void,
      onSome: (session) => connection.send(resume(session, token))
    })
  )
})

const sendIdentify = Effect.fnUntraced(function* (shard: ShardContext, connection: Connection) {
  const config = yield* GatewayConfig
  yield* awaitTurn(shard)
  shard.enter("identifying")
  yield* shard.events.announce((at) => ShardEvent.Identifying({ shard: shard.id.id, at }))
  yield* connection.send(identify(shard.id, config))
})

const awaitTurn = Effect.fnUntraced(function* (shard: ShardContext) {
  const config = yield* GatewayConfig
  const limiter = yield* IdentifyLimiter
  while (true) {
    const turn = yield* Effect.mapError(limiter.reserve(shard.id), (error) => ofShard(shard, error))
    const now = yield* Clock.currentTimeMillis
    if (turn._tag === "Reserved") {
      if (turn.at > now) {
        shard.enter("queued")
        yield* shard.events.announce((at) =>
          ShardEvent.IdentifyQueued({ shard: shard.id.id, at, wait: Duration.millis(turn.at - now) })
        )
      }
      yield* sleepUntil(turn.at)
      // Taken late, after the machine was asleep or busy, it would be too close to the next one.
      if ((yield* Clock.currentTimeMillis) - turn.at <= lateMillis) return
      continue
    }
    const { resetAt, total } = turn
    if (config.whenBudgetExhausted === "fail") {
      return yield* fail(shard, new IdentifyBudgetExhausted({ total, resetAt }))
    }
    shard.enter("queued")
    yield* shard.events.announce((at) => ShardEvent.IdentifyBudgetExhausted({ shard: shard.id.id, at, total, resetAt }))
    // Not sooner than this, should the answer be older than the reset that it names.
    yield* sleepUntil(Math.max(resetAt, now + 5000))
  }
})

/** How late a turn may be taken. */
const lateMillis = 500

/** Timers may fire a little early; a turn that is taken early breaks the limit. */
const sleepUntil = Effect.fnUntraced(function* (at: number) {
  for (let now = yield* Clock.currentTimeMillis; now < at; now = yield* Clock.currentTimeMillis) {
    yield* Effect.sleep(at - now)
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Takes what has come, acts on it, hands it on, and only then reads more. Handing over and counting the sequence happen
 * in one step that nothing can interrupt: what counts as received is in the log.
 */
const read = Effect.fnUntraced(function* (
  shard: ShardContext,
  options: ConnectionOptions,
  connection: Connection,
  pulse: Pulse,
  hello: Deferred.Deferred<Duration.Duration>
) {
  const reactions = makeReactions(shard, options, pulse, hello)
  while (true) {
    const { effects, end, payloads } = reactions(yield* connection.receive)
    shard.delivery.append(payloads)
    for (const effect of effects) yield* effect
    if (end !== undefined) return yield* fail(shard, end)
    if (shard.delivery.isFull()) yield* pulse.whileNotReading(awaitRoom(shard))
  }
})

const awaitRoom = Effect.fnUntraced(function* (shard: ShardContext) {
  const since = yield* Clock.currentTimeMillis
  const soon = yield* Effect.timeoutOption(shard.delivery.room, patience)
  if (Option.isSome(soon)) return
  const { payloads, subscribers } = shard.delivery.size()
  yield* shard.events.announce((at) =>
    ShardEvent.ConsumerBehind({ shard: shard.id.id, at, buffered: payloads, subscribers })
  )
  yield* shard.delivery.room
  yield* shard.events.announce((at) =>
    ShardEvent.ConsumerCaughtUp({ shard: shard.id.id, at, after: Duration.millis(at - since) })
  )
})

/** A full buffer is everyday business; one that stays full is news. */
const patience = Duration.seconds(1)

/** What follows from one read: what to hand on, what to do, and whether the connection is over. */
interface Reaction {
  readonly payloads: Array<Payload>
  readonly effects: Array<Effect.Effect<void, GatewayError>>
  end?: GatewayErrorReason
}

const makeReactions = (
  shard: ShardContext,
  { skipMalformed, url }: ConnectionOptions,
  pulse: Pulse,
  hello: Deferred.Deferred<Duration.Duration>
) => {
  const id = shard.id.id
  let replayed = 0
  const announce = (reaction: Reaction, event: (at: number) => ShardEvent) =>
    reaction.effects.push(shard.events.announce(event))

  /** Whether the payload is to be handed on. */
  const onDispatch = (payload: Payload, sequence: number, reaction: Reaction): boolean => {
    if (payload.t === "READY") {
      const ready = decodeReady(payload.d)
      if (Result.isFailure(ready)) {
        reaction.end = new MalformedPayload({ description: "READY has no session_id or no resume_gateway_url" })
        return false
      }
      const { resume_gateway_url: resumeUrl, session_id: sessionId } = ready.success
      const trusted = isTrustedResumeUrl(resumeUrl, url)
      if (!trusted) announce(reaction, (at) => ShardEvent.ResumeUrlRefused({ shard: id, at, host: hostOf(resumeUrl) }))
      shard.session.establish(sessionId, trusted ? resumeUrl : url)
      shard.enter("ready")
      announce(reaction, (at) => ShardEvent.Ready({ shard: id, at, sessionId }))
    }
    const arrival = shard.session.receive(sequence)
    if (arrival._tag === "Duplicate") {
      announce(reaction, (at) => ShardEvent.DuplicateDropped({ shard: id, at, sequence }))
      return false
    }
    if (arrival._tag === "Gap") {
      const { from, to } = arrival
      announce(reaction, (at) => ShardEvent.GapDetected({ shard: id, at, from, to }))
    }
    if (payload.t === "RESUMED") {
      const missed = replayed
      const sessionId = Option.match(shard.session.current(), { onNone: () => "", onSome: (session) => session.id })
      shard.enter("ready")
      announce(reaction, (at) => ShardEvent.Resumed({ shard: id, at, sessionId, replayed: missed }))
    }
    replayed++
    return true
  }

  const onHello = (payload: Payload, reaction: Reaction) => {
    const decoded = decodeHello(payload.d)
    if (Result.isFailure(decoded)) {
      reaction.end = new MalformedPayload({ description: "HELLO has no heartbeat_interval" })
      return
    }
    reaction.effects.push(Deferred.succeed(hello, Duration.millis(decoded.success.heartbeat_interval)))
  }

  return (batch: Arr.NonEmptyReadonlyArray<Payload | MalformedPayload>): Reaction => {
    const reaction: Reaction = { payloads: [], effects: [] }
    for (const payload of batch) {
      if ("_tag" in payload) {
        if (!skipMalformed) {
          reaction.end = payload
          break
        }
        const { description } = payload
        announce(reaction, (at) => ShardEvent.MalformedSkipped({ shard: id, at, description }))
        continue
      }
      if (payload.op === GatewayOpcode.Dispatch && payload.s !== null) {
        if (!onDispatch(payload, payload.s, reaction)) {
          if (reaction.end === undefined) continue
          break
        }
      }
      reaction.payloads.push(payload)
      switch (payload.op) {
        case GatewayOpcode.Heartbeat:
          reaction.effects.push(pulse.beat)
          break
        case GatewayOpcode.HeartbeatAck:
          reaction.effects.push(pulse.acknowledge)
          break
        case GatewayOpcode.Hello:
          onHello(payload, reaction)
          break
        case GatewayOpcode.Reconnect:
          reaction.end = new ReconnectRequested()
          break
        case GatewayOpcode.InvalidSession:
          reaction.end = new SessionInvalidated({ resumable: isResumable(payload.d) })
          break
        default:
          if (!isDocumentedOpcode(payload.op)) {
            announce(reaction, (at) => ShardEvent.UnknownOpcode({ shard: id, at, op: payload.op }))
          }
      }
      if (reaction.end !== undefined) break
    }
    return reaction
  }
}
