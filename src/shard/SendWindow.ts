/**
 * Sliding window over everything that one connection sends: 120 frames in 60 s, whoever asks for them.
 *
 * Shares: heartbeats of the timer always have room, answers to Discord's op 1 have no more than a quarter, and the program's
 * payloads have the rest. So neither a flood of op 1 nor a busy program drives the connection over the limit or silences the
 * heartbeat.
 *
 * Source: Discord, "Rate Limiting": https://discord.com/developers/docs/events/gateway#rate-limiting
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as MonotonicTime from "../services/MonotonicTime.ts"

/** Discord's limit on a connection. */
const limit = 120

/** The window: a second longer than Discord's, since frames do not all travel equally fast. */
const windowMillis = 61_000

/** Answers to op 1 in a window. Discord asks seldom; more than this is a flood, and the timer's heartbeats go on. */
const maxAnswers = 30

/** Frames that the program leaves to answers to op 1. */
const reservedForAnswers = 4

/** Kind of a frame: an IDENTIFY or RESUME, a heartbeat, or a payload of the program. */
export type FrameKind = "handshake" | "heartbeat" | "payload"

/** The window of one connection. */
export class SendWindow {
  private readonly clock: Clock.Clock
  /** Times of the frames in the window, oldest first, by kind. */
  private readonly sent: Record<FrameKind, Array<number>> = { handshake: [], heartbeat: [], payload: [] }
  /** Times of the heartbeats among them that answered op 1. */
  private readonly answers: Array<number> = []
  private heartbeatsPerWindow = 0

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** HELLO came: as many heartbeats as fit into a window have room from now on. */
  heartbeatEvery(interval: Duration.Duration): void {
    this.heartbeatsPerWindow = Math.floor(windowMillis / Duration.toMillis(interval)) + 1
  }

  /** Whether an op 1 is to be answered, by a heartbeat that is sent at once. */
  takeAnswer(): boolean {
    const now = this.look()
    if (this.answers.length >= maxAnswers || this.free <= this.heartbeatsToCome) return false
    this.answers.push(now)
    return true
  }

  /** Milliseconds until a frame of this kind may be sent; zero where it may be now. */
  wait(kind: FrameKind): number {
    const now = this.look()
    if (this.hasRoom(kind)) return 0
    const oldest = Math.min(...Object.values(this.sent).flatMap(([first = Infinity]) => first))
    // At least 1 ms: a wait that rounds to nothing would spin.
    return Math.max(1, Math.ceil(oldest + windowMillis - now))
  }

  /** A frame is sent now. */
  add(kind: FrameKind): void {
    this.sent[kind].push(MonotonicTime.of(this.clock))
  }

  /** Waits until a frame of this kind may be sent, and counts it. */
  take(kind: FrameKind): Effect.Effect<void> {
    return Effect.suspend(() => {
      const wait = this.wait(kind)
      if (wait > 0) return Effect.andThen(Effect.sleep(wait), this.take(kind))
      this.add(kind)
      return Effect.void
    })
  }

  private hasRoom(kind: FrameKind): boolean {
    if (kind !== "payload") return this.free > 0
    return this.free > this.heartbeatsToCome + Math.max(0, reservedForAnswers - this.answers.length)
  }

  private get free(): number {
    const { handshake, heartbeat, payload } = this.sent
    return limit - handshake.length - heartbeat.length - payload.length
  }

  /** Heartbeats of the timer that are still to have room in a window. */
  private get heartbeatsToCome(): number {
    return Math.max(0, this.heartbeatsPerWindow - (this.sent.heartbeat.length - this.answers.length))
  }

  /** Forgets what is out of the window, and returns the time. */
  private look(): number {
    const now = MonotonicTime.of(this.clock)
    for (const times of [...Object.values(this.sent), this.answers]) {
      while (times[0] !== undefined && times[0] <= now - windowMillis) times.shift()
    }
    return now
  }
}
