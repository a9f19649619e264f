/**
 * The life of one connection of a shard, from the dial to the reason for its end:
 *
 *     connect → HELLO → heartbeats → RESUME or IDENTIFY → READY or RESUMED → payloads … → reason
 *
 * Reading, the heartbeat, and what leads to a session and then sends go on at once, each in a fiber of the connection's
 * scope. The first that fails ends the connection with its reason, and so can the shard.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { HelloTimeout, ReadyTimeout, ResumedTimeout } from "../schema/ConnectionError.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { hostnameOf, hostOf } from "../schema/GatewayUrl.ts"
import { encodeHandshake, heartbeat } from "../schema/Handshake.ts"
import type { Session } from "../schema/Session.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import { type OpenConnection, GatewayConnection } from "../services/GatewayConnection.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import { Heartbeat, type ConnectionHeartbeat } from "../services/Heartbeat.ts"
import type { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import { acquireIdentifySlot, type IdentifySlot, sendIdentify, sendResume } from "./SessionHandshake.ts"
import { SendWindow } from "./SendWindow.ts"
import { SessionStore } from "../services/SessionStore.ts"
import { ShardLease } from "../services/ShardLease.ts"
import { ReplayEnd } from "./ReplayEnd.ts"
import { maskOf } from "../services/TokenConcealment.ts"
import type { ShardBuffer } from "./ShardHost.ts"
import type { ShardLifecycle } from "./ShardLifecycle.ts"
import { type Milestones, ShardReader } from "./ShardReader.ts"

/** Options of a connection. */
export interface ConnectionOptions {
  readonly url: string
  /** True where malformed payloads are skipped; otherwise the first one ends the connection. */
  readonly skipMalformed: boolean
  /** True where the configured compression is used. */
  readonly compress: boolean
  /** Limit for READY after an IDENTIFY. */
  readonly readyTimeout: Duration.Duration
}

/** Connects to a URL and stays until there is a reason to end. */
export const run = Effect.fnUntraced(function* (
  shard: ShardLifecycle,
  options: ConnectionOptions
): Effect.fn.Return<
  never,
  GatewayError,
  GatewayConnection | GatewayConfig | GatewayDirectory | Heartbeat | IdentifyLimiter | SessionStore | Scope.Scope
> {
  const { recorder } = shard
  const { passesOn, wanted } = shard.host
  const session = shard.session.current()
  const slot = Option.isNone(session) ? yield* acquireIdentifySlot(shard) : undefined
  shard.enter("connecting")
  yield* shard.announce((common) =>
    ShardEvent.Connecting({ ...common, host: hostOf(options.url), resuming: Option.isSome(session) })
  )
  const connections = yield* GatewayConnection
  const { durable } = yield* SessionStore
  const mask = maskOf((yield* GatewayConfig).token)
  const connection = yield* inSpan(shard, "Shard.connect", { "server.address": hostnameOf(options.url) }, () =>
    connections.open({
      url: options.url,
      shard: shard.id,
      closeCode: durable ? sessionKeepingCode : sessionEndingCode,
      compress: options.compress,
      wanted: recorder === undefined ? wanted : () => recorder.widen(wanted()),
      passesOn
    })
  )
  shard.enter("greeting")
  const heartbeats = yield* Heartbeat
  const window = new SendWindow(yield* Clock.Clock)
  const replayEnd = new ReplayEnd()
  const connectionHeartbeat = yield* heartbeats.make(
    window.take("heartbeat").pipe(
      Effect.andThen(sendHeartbeat(shard, connection, durable)),
      Effect.tap(() => Effect.sync(() => replayEnd.sent()))
    )
  )
  const end = Deferred.makeUnsafe<never, GatewayError>()
  shard.connected(connectionHeartbeat, end)
  const milestones = { hello: Deferred.makeUnsafe<Duration.Duration>(), session: Deferred.makeUnsafe<void>() }
  const reader = new ShardReader({
    shard,
    options: { ...options, mask },
    heartbeat: connectionHeartbeat,
    replayEnd,
    milestones,
    window
  })
  yield* forkParts(end, [
    reader.read(connection),
    beat(shard, connectionHeartbeat, milestones, window),
    handshakeAndSend(shard, {
      connection,
      milestones,
      reader,
      readyTimeout: options.readyTimeout,
      session,
      slot,
      window
    })
  ])
  return yield* Deferred.await(end)
})

/** A span of its own, since no one waits for a connection. It is not kept by what the effect leaves behind. */
const inSpan = <A, R>(
  { id }: ShardLifecycle,
  name: string,
  attributes: Record<string, string>,
  effect: () => Effect.Effect<A, GatewayError, R>
): Effect.Effect<A, GatewayError, R> =>
  Effect.useSpan(
    name,
    {
      root: true,
      kind: "client",
      attributes: { "messaging.system": "discord", "discord.shard.id": id.id, ...attributes }
    },
    (span) => Effect.tapError(effect(), ({ reason }) => Effect.sync(() => span.attribute("error.type", reason._tag)))
  )

/** Runs parts of a connection until its scope closes. A failure of one is the connection's end. */
const forkParts = <R>(
  end: Deferred.Deferred<never, GatewayError>,
  parts: ReadonlyArray<Effect.Effect<never, GatewayError, R>>
) =>
  Effect.gen(function* () {
    const fibers: Array<Fiber.Fiber<never, GatewayError>> = []
    yield* Effect.addFinalizer(() => Fiber.interruptAll(fibers))
    for (const part of parts) {
      const failing = Effect.onError(part, (cause) => Deferred.failCause(end, cause))
      fibers.push(yield* Effect.forkDetach(failing, { startImmediately: true }))
    }
  }).pipe(Effect.uninterruptible)

/**
 * A heartbeat tells Discord the sequence that a RESUME would take, behind which Discord may forget everything: with a store
 * that outlives the process the one that the store has.
 */
const sendHeartbeat = ({ session }: ShardLifecycle, connection: OpenConnection, durable: boolean) =>
  Effect.suspend(() => connection.send(encodeHandshake(heartbeat(durable ? session.stored : session.received))))

const beat = Effect.fnUntraced(function* (
  shard: ShardLifecycle,
  connectionHeartbeat: ConnectionHeartbeat,
  { hello }: Milestones,
  window: SendWindow
) {
  const { timeouts } = yield* GatewayConfig
  const heartbeatInterval = yield* Effect.timeoutOrElse(Deferred.await(hello), {
    duration: timeouts.hello,
    orElse: () => Effect.fail(new GatewayError({ reason: new HelloTimeout({ after: timeouts.hello }) }))
  })
  window.heartbeatEvery(heartbeatInterval)
  yield* shard.announce((common) => ShardEvent.Greeted({ ...common, heartbeatInterval }))
  return yield* connectionHeartbeat.run(heartbeatInterval)
})

const handshakeAndSend = Effect.fnUntraced(function* (
  shard: ShardLifecycle,
  {
    connection,
    milestones: { hello, session: hasSession },
    reader,
    readyTimeout,
    session,
    slot,
    window
  }: {
    readonly connection: OpenConnection
    readonly milestones: Milestones
    readonly reader: ShardReader
    readonly readyTimeout: Duration.Duration
    readonly session: Option.Option<Session>
    readonly slot: IdentifySlot | undefined
    readonly window: SendWindow
  }
) {
  const { timeouts } = yield* GatewayConfig
  const awaitSession = (limit: Duration.Duration, reason: GatewayErrorReason) =>
    whileThereIsProgress(Deferred.await(hasSession), {
      limit,
      progress: () => reader.progress,
      buffer: shard.host.buffer,
      reason
    })
  yield* Deferred.await(hello)
  yield* Option.isSome(session)
    ? inSpan(shard, "Shard.resume", { "discord.session.id": session.value.id }, () =>
        Effect.andThen(
          sendResume(shard, connection, session.value, window),
          awaitSession(timeouts.resumed, new ResumedTimeout({ after: timeouts.resumed }))
        )
      )
    : inSpan(shard, "Shard.identify", {}, () =>
        Effect.andThen(
          sendIdentify(shard, connection, slot, window),
          awaitSession(readyTimeout, new ReadyTimeout({ after: readyTimeout }))
        )
      )
  const directory = yield* GatewayDirectory
  yield* directory.confirm
  return yield* shard.sendQueue.drain(connection, window, yield* ShardLease)
})

/**
 * Waits for as long as there is progress: fails with the reason when there was none for the limit. Time does not count while
 * we are the slow side, and do not read what has come.
 */
const whileThereIsProgress = <A>(
  wait: Effect.Effect<A>,
  options: {
    readonly limit: Duration.Duration
    /** A number that moves on. */
    readonly progress: () => number
    readonly buffer: ShardBuffer
    readonly reason: GatewayErrorReason
  }
): Effect.Effect<A, GatewayError> =>
  Effect.suspend(() => {
    const { buffer, limit, progress, reason } = options
    if (buffer.isFull()) {
      return Effect.flatMap(Effect.raceFirst(Effect.asSome(wait), Effect.as(buffer.room, Option.none())), (ended) =>
        Option.isSome(ended) ? Effect.succeed(ended.value) : whileThereIsProgress(wait, options)
      )
    }
    const before = progress()
    return Effect.timeoutOrElse(wait, {
      duration: limit,
      orElse: (): Effect.Effect<A, GatewayError> =>
        progress() === before && !buffer.isFull()
          ? Effect.fail(new GatewayError({ reason }))
          : whileThereIsProgress(wait, options)
    })
  })

/** Ends the session at Discord: the bot goes offline at once. */
const sessionEndingCode = 1000
/** Leaves the session alive for as long as Discord keeps it. */
const sessionKeepingCode = 4000
