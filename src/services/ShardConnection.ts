/**
 * The life of one connection of a shard, from the dial to the reason for its end:
 *
 *     connect → HELLO → heartbeats → RESUME or IDENTIFY → READY or RESUMED → payloads … → reason
 *
 * Reading, the heartbeat, what leads to a session and then sends, and the alarms that call for a new connection go on at
 * once, and the first that fails ends the connection with its reason.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { HelloTimeout, RestartRequested, SystemSlept } from "../schema/ConnectionError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import { hostOf } from "../schema/GatewayUrl.ts"
import { encodeHandshake, heartbeat } from "../schema/Handshake.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import { GatewayConnection } from "./GatewayConnection.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { Heartbeat } from "./Heartbeat.ts"
import type { IdentifyLimiter } from "./IdentifyLimiter.ts"
import { sendIdentify, sendResume, standInLine } from "./SessionHandshake.ts"
import { SessionStore } from "./SessionStore.ts"
import type { ConnectionOptions, ShardContext } from "./ShardContext.ts"
import { read } from "./ShardReader.ts"

/** Connects to a URL and stays until there is a reason to end. */
export const run = Effect.fnUntraced(function* (
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

  const session = shard.session.current()
  const { leave } = Option.isNone(session) ? yield* standInLine(shard) : { leave: Effect.void }
  shard.enter("connecting")
  yield* shard.announce((common) =>
    ShardEvent.Connecting({ ...common, host: hostOf(options.url), resuming: Option.isSome(session) })
  )
  const connection = yield* connections.open({
    url: options.url,
    shard: shard.id,
    closeCode: store.durable ? sessionKeepingCode : sessionEndingCode,
    compress: options.compress
  })
  shard.enter("greeting")
  const pulse = yield* heartbeats.make(
    Effect.suspend(() => {
      // Discord may forget what a heartbeat acknowledges, and a restart resumes from what was handled.
      const { handled, received } = shard.session.marks()
      return connection.send(encodeHandshake(heartbeat(store.durable ? handled : received)))
    })
  )
  shard.beating(pulse)
  const milestones = {
    hello: yield* Deferred.make<Duration.Duration>(),
    established: yield* Deferred.make<void>()
  }

  const converse = Effect.gen(function* () {
    const heartbeatInterval = yield* Effect.timeoutOrElse(Deferred.await(milestones.hello), {
      duration: config.timeouts.hello,
      orElse: () => Effect.fail(new GatewayError({ reason: new HelloTimeout({ after: config.timeouts.hello }) }))
    })
    yield* shard.announce((common) => ShardEvent.Greeted({ ...common, heartbeatInterval }))
    const establishAndSend = Effect.gen(function* () {
      yield* Option.isSome(session)
        ? sendResume(shard, connection, session.value)
        : sendIdentify(shard, connection, leave)
      yield* Deferred.await(milestones.established)
      return yield* shard.sendQueue.drain(connection, heartbeatInterval)
    })
    return yield* Effect.raceFirst(pulse.run(heartbeatInterval), establishAndSend)
  })

  return yield* Effect.raceAllFirst([
    read(shard, options, connection, pulse, milestones),
    converse,
    Effect.flatMap(shard.wake.next, (slept) => Effect.fail(new GatewayError({ reason: new SystemSlept({ slept }) }))),
    Effect.flatMap(shard.restart.next, () => Effect.fail(new GatewayError({ reason: new RestartRequested() })))
  ])
})

/** Ends the session at Discord: the bot goes offline at once. */
const sessionEndingCode = 1000
/** Leaves the session alive for as long as Discord keeps it. */
const sessionKeepingCode = 4000
