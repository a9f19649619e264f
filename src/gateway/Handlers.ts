/**
 * Handlers of payloads: a payload is handled when its handler has succeeded.
 *
 * Payloads of one key run in order, one at a time; others beside them, so many at once. A payload that killed the process
 * before is handled alone, and what was handled before it is stored first, so that the one that kills is known.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Predicate from "effect/Predicate"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { Dispatch, DispatchName, Payload } from "../schema/Payload.ts"
import type { DeliveryLog } from "./DeliveryLog.ts"
import { guildOf } from "./PayloadGuild.ts"
import { attemptsOf, type Held, processesBefore } from "./Segment.ts"
import type { Subscription } from "./Subscription.ts"
import type { Wanted } from "./Wanted.ts"

/**
 * A payload that a program has set aside, and why.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeadLetter<E> {
  readonly payload: Payload
  /** The failure of its handler, or a defect with a `PoisonPayload` where it was handed out too often. */
  readonly cause: Cause.Cause<E>
  /** Count of times that it was handed out, as far as that is known. */
  readonly attempts: number
}

/**
 * A payload that was handed out again and again, by processes that ended before they had handled it.
 *
 * @since 0.1.0
 * @category errors
 */
export class PoisonPayload extends Schema.TaggedError<PoisonPayload>("disruption-gateway/PoisonPayload")(
  "PoisonPayload",
  { attempts: Schema.Int }
) {
  override get message() {
    return `Handed out ${this.attempts} times and never handled: it may be what ends the process`
  }
}

/**
 * Options of handlers.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandlerOptions<E = never, E2 = never, R2 = never> {
  /** Payloads that are handled at once. Default: 1. */
  readonly concurrency?: number | undefined
  /**
   * The key of a payload: those of one key are handled in order, one at a time. Default: the guild; payloads without one have
   * one key together.
   */
  readonly key?: ((payload: Payload) => string | number) | undefined
  /**
   * Policy for failures: `"stop"`, the default, fails with the handler's error, and the payload comes again to the next
   * handler. Otherwise it is tried again by a schedule, and then handed to `deadLetter`, after which it is handled.
   */
  readonly onFailure?:
    | "stop"
    | {
        readonly retry?: Schedule.Schedule<unknown, E> | undefined
        readonly deadLetter: (letter: DeadLetter<E>) => Effect.Effect<unknown, E2, R2>
      }
    | undefined
  /**
   * Limit to the times that a payload is begun with and not handled: it goes to `deadLetter` instead, or, without one, is left
   * out with an error in the log. Processes that died count where they died of it: from the third one on, which had nothing
   * else in hand. Default: no limit.
   */
  readonly maxAttempts?: number | undefined
  /** Time for handlers to finish when the program is interrupted. Default: they are interrupted at once. */
  readonly finishWithin?: Duration.Input | undefined
}

/**
 * Handlers by the names of dispatches.
 *
 * @since 0.1.0
 * @category models
 */
export type DispatchHandlers = {
  readonly [Name in DispatchName]?: (dispatch: Dispatch<Name>) => Effect.Effect<unknown, unknown, unknown>
}

/**
 * The errors of handlers.
 *
 * @since 0.1.0
 * @category models
 */
export type HandlerError<Handlers> = {
  readonly [Name in keyof Handlers]: Handlers[Name] extends (
    dispatch: never
  ) => Effect.Effect<unknown, infer E, unknown>
    ? E
    : never
}[keyof Handlers]

/**
 * The services of handlers.
 *
 * @since 0.1.0
 * @category models
 */
export type HandlerServices<Handlers> = {
  readonly [Name in keyof Handlers]: Handlers[Name] extends (
    dispatch: never
  ) => Effect.Effect<unknown, unknown, infer R>
    ? R
    : never
}[keyof Handlers]

/** The guild of a payload; payloads without one have one key together. */
const guildKey = (payload: Payload): string => guildOf(payload) ?? ""

/** The parts that handlers work with. */
export interface HandlerParts {
  readonly log: DeliveryLog
  /** Writes how far the session of a shard has come. */
  readonly flush: (shard: number) => Effect.Effect<void>
}

/** Handles payloads until the log ends, which is the failure or the interruption with which it ends. */
export const run = <A, E, R, E2 = never, R2 = never>(
  { flush, log }: HandlerParts,
  wanted: Wanted,
  handler: (payload: Payload) => Effect.Effect<A, E, R>,
  options: HandlerOptions<E, E2, R2> = {},
  owner: object = handler
): Effect.Effect<never, E | E2 | GatewayError, R | R2> => {
  const concurrency = Math.max(1, options.concurrency ?? 1)
  const { maxAttempts } = options
  const { lease } = log
  const onFailure = options.onFailure === undefined || options.onFailure === "stop" ? undefined : options.onFailure

  /** No handler of a gateway that has ended is tried again. */
  const heldOrOver = Effect.catch(log.held, () => Effect.interrupt)

  const setAside = (held: Held, cause: Cause.Cause<E>): Effect.Effect<unknown, E2, R2> =>
    onFailure === undefined
      ? Effect.logError(`A ${held.payload.t ?? "payload"} is left out`, cause)
      : onFailure.deadLetter({ payload: held.payload, cause, attempts: attemptsOf(held) })

  const handleOnce = (held: Held): Effect.Effect<unknown, E | E2, R | R2> => {
    const handling = handler(held.payload)
    if (onFailure === undefined) return handling
    const retried =
      onFailure.retry === undefined
        ? handling
        : Effect.retry(
            Effect.suspend(() => (lease.isHeld() ? handling : Effect.andThen(heldOrOver, handling))),
            onFailure.retry
          )
    return Effect.matchCauseEffect(retried, {
      onSuccess: Effect.succeed,
      onFailure: (cause): Effect.Effect<unknown, E | E2, R2> =>
        Cause.hasInterrupts(cause) ? Effect.failCause(cause) : setAside(held, cause)
    })
  }

  const handle = (held: Held, isFirst: boolean): Effect.Effect<unknown, E | E2 | GatewayError, R | R2> => {
    // It may have waited since it was taken.
    if (!lease.isHeld())
      return Effect.andThen(
        log.held,
        Effect.suspend(() => handle(held, isFirst))
      )
    // Another process has it by now.
    if (held.hold.segment.mark.isVoid) return Effect.void
    const attempts = held.begunBefore + (isFirst ? processesAlone(held) : 0)
    if (maxAttempts !== undefined && attempts >= maxAttempts) {
      return setAside(held, Cause.die(new PoisonPayload({ attempts })))
    }
    held.hasBegun = true
    return handleOnce(held)
  }

  const handleAndAcknowledge = (
    subscription: Subscription,
    held: Held
  ): Effect.Effect<void, E | E2 | GatewayError, R | R2> =>
    Effect.map(handle(held, false), () => subscription.acknowledge(held))

  /** Payloads that processes before this one died with, one after the other, each stored before the next. */
  const oneByOne = (acknowledge: (held: Held) => void) => {
    const first = new WeakMap<object, Payload>()
    return (held: Held): Effect.Effect<void, E | E2 | GatewayError, R | R2> =>
      Effect.suspend(() => {
        const { hold, payload } = held
        const { mark } = hold.segment
        if (mark.isAtStart() && !first.has(mark.source)) first.set(mark.source, payload)
        const isFirst = first.get(mark.source) === payload
        return Effect.andThen(
          Effect.map(handle(held, isFirst), () => acknowledge(held)),
          flush(payload.shard)
        )
      })
  }

  /** After a process that died, what a handler begins with is stored before. */
  const storeFirst = ({ hold, payload: { s, shard } }: Held): Effect.Effect<void> | undefined =>
    s === null || hold.segment.mark.caution?.mayBegin(s) !== false ? undefined : flush(shard)

  /** One after the other. A handler's effect is run as it is where nothing else can come of it, as it nearly always is. */
  const inOrder = (subscription: Subscription): Effect.Effect<never, E | E2 | GatewayError, R | R2> => {
    const alone = oneByOne(() => subscription.acknowledgeInHand())
    const handleInHand = (payload: Payload): Effect.Effect<unknown, E | E2 | GatewayError, R | R2> => {
      if (onFailure === undefined && subscription.isFirstTime) return handler(payload)
      const held = subscription.payloadInHand()
      if (held === undefined) return Effect.void
      if (isSuspect(held)) return alone(held)
      const before = storeFirst(held)
      return before === undefined ? handle(held, false) : Effect.andThen(before, handle(held, false))
    }
    let payload: Payload | undefined
    const handleAll = Effect.whileLoop({
      while: () => (payload = subscription.next()) !== undefined,
      body: () => (payload === undefined ? Effect.void : handleInHand(payload)),
      step: () => subscription.acknowledgeInHand()
    })
    return Effect.forever(Effect.andThen(handleAll, subscription.news), { disableYield: true })
  }

  const finishWithin = options.finishWithin === undefined ? undefined : Duration.fromInputUnsafe(options.finishWithin)

  return Effect.scoped(
    Effect.gen(function* () {
      const subscription = yield* log.subscribe({ wanted, acknowledges: true, owner })
      if (concurrency === 1 && finishWithin === undefined) return yield* inOrder(subscription)
      const lanes = new Lanes({
        concurrency,
        keyOf: concurrency === 1 ? () => "" : (options.key ?? guildKey),
        capacity: log.capacity,
        finishWithin,
        storeFirst,
        work: (held: Held) => handleAndAcknowledge(subscription, held)
      })
      return yield* lanes.run(
        subscription.take,
        oneByOne((held) => subscription.acknowledge(held))
      )
    })
  )
}

/** Deaths at one mark after which payloads are handled alone. */
const deathsBeforeAlone = 2

/** Handed out by at least two processes that died, so it may be what they died of, unless the last one had not come to it. */
const isSuspect = (held: Held): boolean =>
  processesBefore(held) >= deathsBeforeAlone &&
  (held.payload.s ?? 0) <= (held.hold.segment.mark.caution?.begunBefore ?? Infinity)

/**
 * Count of processes that died with a payload, the first one behind the mark, once it is known that they did: the third of
 * them had nothing else in hand.
 */
const processesAlone = (held: Held): number => {
  const deaths = processesBefore(held)
  return deaths > deathsBeforeAlone ? deaths : 0
}

interface LaneOptions<E, R> {
  readonly concurrency: number
  readonly keyOf: (payload: Payload) => string | number
  /** Limit to the payloads that wait in lanes. */
  readonly capacity: number
  readonly finishWithin: Duration.Duration | undefined
  /** Effect that stores how far handlers begin, before a payload is begun with; undefined where there is no need. */
  readonly storeFirst: (held: Held) => Effect.Effect<void> | undefined
  readonly work: (held: Held) => Effect.Effect<void, E, R>
}

/** The names for which there are handlers. */
export const wantedBy = (handlers: DispatchHandlers): ReadonlySet<string> => new Set(Object.keys(handlers))

/** One handler for all payloads, which hands each to the one of its name. */
export const dispatcher = <H extends DispatchHandlers>(
  handlers: H
): ((payload: Payload) => Effect.Effect<unknown, HandlerError<H>, HandlerServices<H>>) => {
  const byName = new Map(Object.entries(handlers).filter((entry) => isEntryOf<H>(entry)))
  return (payload) => (payload.t === null ? undefined : byName.get(payload.t))?.(payload) ?? Effect.void
}

/** The type of a handler is bound to its name by `DispatchHandlers`; here it is found by the name. */
const isEntryOf = <H extends DispatchHandlers>(
  entry: readonly [string, unknown]
): entry is [string, (payload: Payload) => Effect.Effect<unknown, HandlerError<H>, HandlerServices<H>>] =>
  Predicate.isFunction(entry[1])

/** Keyed concurrency: a lane of payloads for each key, worked off by so many workers, a payload at a time from each lane. */
class Lanes<E, R> {
  private readonly options: LaneOptions<E, R>
  private readonly lanes = new Map<string | number, Array<Held>>()
  /** Lanes with work, which wait for a worker. */
  private readonly ready: Array<Array<Held>> = []
  private workers = 0
  private waiting = 0
  private isStopping = false
  private readonly room = Latch.makeUnsafe(true)
  private readonly idle = Latch.makeUnsafe(true)

  constructor(options: LaneOptions<E, R>) {
    this.options = options
  }

  /** Works off what is taken until that fails, or a payload's work does. */
  run<E2>(
    take: Effect.Effect<ReadonlyArray<Held>, E2>,
    alone: (held: Held) => Effect.Effect<void, E, R>
  ): Effect.Effect<never, E | E2, R> {
    const { finishWithin } = this.options
    const failed = Deferred.makeUnsafe<never, E>()
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const scope = yield* Effect.scope
        const startWorker = (lane: Array<Held>) =>
          Effect.forkIn(
            Effect.onError(this.worker(lane), (cause) => Deferred.failCause(failed, cause)),
            scope
          )
        const read = Effect.flatMap(take, (batch) =>
          Effect.forEach(
            batch,
            (held) => {
              if (isSuspect(held)) return Effect.andThen(this.idle.await, alone(held))
              const before = this.options.storeFirst(held)
              return before === undefined
                ? this.put(held, startWorker)
                : Effect.andThen(
                    before,
                    Effect.suspend(() => this.put(held, startWorker))
                  )
            },
            { discard: true }
          )
        )
        return yield* Effect.raceFirst(Effect.forever(read), Deferred.await(failed)).pipe(
          Effect.onInterrupt(() => {
            if (finishWithin === undefined) return Effect.void
            this.isStopping = true
            return Effect.timeoutOption(this.idle.await, finishWithin)
          })
        )
      })
    )
  }

  private put(
    held: Held,
    startWorker: (lane: Array<Held>) => Effect.Effect<unknown, never, R>
  ): Effect.Effect<void, never, R> {
    this.waiting++
    const key = this.options.keyOf(held.payload)
    const lane = this.lanes.get(key)
    if (lane !== undefined) {
      lane.push(held)
      return this.awaitRoom
    }
    const fresh = [held]
    this.lanes.set(key, fresh)
    if (this.workers >= this.options.concurrency) {
      this.ready.push(fresh)
      return this.awaitRoom
    }
    this.workers++
    this.idle.closeUnsafe()
    return Effect.andThen(startWorker(fresh), this.awaitRoom)
  }

  private get awaitRoom(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.waiting < this.options.capacity) return Effect.void
      this.room.closeUnsafe()
      return this.room.await
    })
  }

  private worker(first: Array<Held>): Effect.Effect<void, E, R> {
    return Effect.gen({ self: this }, function* () {
      let lane: Array<Held> | undefined = first
      while (lane !== undefined && !this.isStopping) {
        const [held] = lane
        if (held === undefined) break
        yield* this.options.work(held)
        lane.shift()
        this.waiting--
        this.room.openUnsafe()
        if (lane.length === 0) this.lanes.delete(this.options.keyOf(held.payload))
        else this.ready.push(lane)
        lane = this.ready.shift()
      }
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          this.workers--
          if (this.workers === 0) this.idle.openUnsafe()
        })
      )
    )
  }
}
