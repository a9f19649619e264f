/**
 * Handshake from HELLO to a session: RESUME where there is one, otherwise IDENTIFY when it is this shard's turn.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { IdentifyBudgetExhausted } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import { encodeHandshake, identify, resume } from "../schema/Handshake.ts"
import type { Session } from "../schema/Session.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { OpenConnection } from "../services/GatewayConnection.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import { ShardLease } from "../services/ShardLease.ts"
import type { SendWindow } from "./SendWindow.ts"
import type { ShardLifecycle } from "./ShardLifecycle.ts"

/** Sends RESUME. */
export const sendResume = Effect.fnUntraced(function* (
  shard: ShardLifecycle,
  connection: OpenConnection,
  session: Session,
  window: SendWindow
) {
  const { token } = yield* GatewayConfig
  const { id: sessionId, sequence } = session
  shard.enter("resuming")
  yield* shard.announce((common) => ShardEvent.Resuming({ ...common, sessionId, sequence }))
  yield* window.take("handshake")
  // A RESUME takes the session from whoever has it.
  yield* (yield* ShardLease).held
  yield* connection.send(encodeHandshake(resume(session, token)))
})

/** A slot in the identify queue of a bucket. */
export type IdentifySlot = Effect.Success<ReturnType<IdentifyLimiter["Service"]["acquire"]>>

/** Waits for the shard's turn and sends IDENTIFY, which lets the next shard of the bucket connect. */
export const sendIdentify = Effect.fnUntraced(function* (
  shard: ShardLifecycle,
  connection: OpenConnection,
  slot: IdentifySlot | undefined,
  window: SendWindow
) {
  const config = yield* GatewayConfig
  const lease = yield* ShardLease
  do {
    yield* lease.held
    yield* awaitTurn(shard)
    // A turn that was given to a machine without its lock is over when it has the lock again: it takes another one.
  } while (!lease.isHeld())
  shard.enter("identifying")
  yield* shard.announce((common) => ShardEvent.Identifying(common))
  yield* window.take("handshake")
  const presence = shard.presence ?? config.presence
  yield* connection.send(
    encodeHandshake(identify(shard.id, { ...config, presence, compress: config.compression === "payload" }))
  )
  if (slot !== undefined) yield* slot.release
})

/**
 * Waits in the identify queue of the shard's bucket before anything is dialled: shards that wait for hours should not hold a
 * connection meanwhile. `release` or the end of the scope gives the slot up.
 */
export const acquireIdentifySlot = Effect.fnUntraced(function* (shard: ShardLifecycle) {
  yield* awaitHistory(shard)
  const limiter = yield* IdentifyLimiter
  return yield* limiter.acquire(shard.id, (wait) => announceWait(shard, wait))
})

/** Waits for what processes before this one have spent. */
const awaitHistory = Effect.fnUntraced(function* (shard: ShardLifecycle) {
  while (true) {
    const due = yield* shard.host.identifies.wait(shard.id)
    if (Option.isNone(due)) return
    const { starts, time } = due.value
    shard.enter("queued")
    yield* shard.announce((common) =>
      starts === undefined
        ? ShardEvent.IdentifyQueued({ ...common, wait: time })
        : ShardEvent.CrashLoopSlowed({ ...common, starts, wait: time })
    )
    yield* Effect.sleep(time)
  }
})

const announceWait = (shard: ShardLifecycle, wait: Duration.Duration) =>
  Effect.suspend(() => {
    shard.enter("queued")
    return shard.announce((common) => ShardEvent.IdentifyQueued({ ...common, wait }))
  })

const awaitTurn = Effect.fnUntraced(function* (shard: ShardLifecycle) {
  const config = yield* GatewayConfig
  const limiter = yield* IdentifyLimiter
  while (true) {
    const turn = yield* limiter.takeTurn(shard.id)
    if (turn._tag === "Granted") return yield* shard.host.identifies.count(shard.id)
    if (turn._tag === "Wait") {
      yield* announceWait(shard, turn.time)
      yield* Effect.sleep(turn.time)
      continue
    }
    const { remaining, resetAt, total } = turn
    if (config.whenBudgetExhausted === "fail") {
      return yield* new GatewayError({ reason: new IdentifyBudgetExhausted({ total, remaining, resetAt }) })
    }
    shard.enter("queued")
    yield* shard.announce((common) => ShardEvent.IdentifyBudgetExhausted({ ...common, total, remaining, resetAt }))
    // At least 5 seconds, in case the answer is older than its reset.
    const untilReset = DateTime.distance(yield* DateTime.now, resetAt)
    yield* Effect.sleep(Duration.max(untilReset, Duration.seconds(5)))
  }
})
