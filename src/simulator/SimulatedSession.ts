/**
 * Discord's side of a session: sequence numbers and the replay buffer, with or without a connection.
 */
import { includesEvent } from "./EventIntents.ts"
import { MemberRequests } from "./MemberRequests.ts"
import { type DispatchRecord, History, type SessionRecord } from "./Observations.ts"
import type { Settings } from "./SimulatorOptions.ts"
import { VoiceStates } from "./VoiceStates.ts"

/** Connection, reduced to the part that a session uses. */
export interface Outlet {
  readonly sendDispatch: (frame: string) => void
}

interface Kept {
  readonly sequence: number
  readonly frame: string
}

/** Session of the simulated Discord. */
export class SimulatedSession<Connection extends Outlet = Outlet> {
  readonly id: string
  readonly shard: readonly [id: number, total: number]
  readonly intents: number
  readonly capabilities: number
  readonly memberRequests = new MemberRequests()
  readonly voiceStates = new VoiceStates()
  sequence = 0
  connection: Connection | undefined
  private readonly settings: Settings
  private readonly dispatched: History<DispatchRecord>
  private kept: Array<Kept> = []
  private acknowledged = 0
  private resumableUntil = Infinity

  constructor(
    id: string,
    shard: readonly [id: number, total: number],
    { capabilities, intents }: { readonly capabilities: number; readonly intents: number },
    settings: Settings
  ) {
    this.id = id
    this.shard = shard
    this.intents = intents
    this.capabilities = capabilities
    this.settings = settings
    this.dispatched = new History(settings.history)
  }

  /** Whether it is connected or can be resumed. */
  isAlive(now: number): boolean {
    return this.connection !== undefined || now < this.resumableUntil
  }

  attach(connection: Connection): void {
    this.connection = connection
    this.resumableUntil = Infinity
  }

  /** Detaches the connection and starts the timeout for RESUME. */
  detach(now: number): void {
    this.connection = undefined
    this.resumableUntil = Math.min(this.resumableUntil, now + this.settings.sessionTimeout)
    if (!this.isAlive(now)) this.kept = []
  }

  /** Forbids RESUME. A connected session lasts as long as its connection. */
  expire(): void {
    this.resumableUntil = -Infinity
    if (this.connection === undefined) this.kept = []
  }

  /** Ends the session at once. */
  end(): void {
    this.connection = undefined
    this.expire()
  }

  wants(event: string): boolean {
    return includesEvent(this.intents, event)
  }

  /** Numbers and buffers a dispatch, and sends it if there is a connection. `json` is the encoded `d`. */
  dispatch(event: string, d: unknown, json: string): void {
    this.sequence += 1
    const frame = this.encode(event, json)
    this.dispatched.push({ op: 0, d, s: this.sequence, t: event })
    this.kept.push({ sequence: this.sequence, frame })
    // Amortized trimming: each trim copies the list. `canReplay` applies the exact limit.
    const { replayBuffer } = this.settings
    if (this.kept.length > 2 * replayBuffer + 64) this.kept = this.kept.slice(this.kept.length - replayBuffer)
    this.connection?.sendDispatch(frame)
  }

  /**
   * Sends RESUMED, the end of a replay. Discord documents that every dispatch behind it is new, so it is not replayed itself
   * unless the settings say so; without a number of its own it leaves no gap in a replay.
   */
  sayResumed(): void {
    if (this.settings.replaysResumed) this.dispatch("RESUMED", {}, "{}")
    else this.connection?.sendDispatch(this.encode("RESUMED", "{}"))
  }

  private encode(event: string, json: string): string {
    return `{"t":${JSON.stringify(event)},"s":${this.sequence},"op":0,"d":${json}}`
  }

  /** A heartbeat told this sequence. */
  acknowledge(sequence: number): void {
    if (!this.settings.forgetsAcknowledged || sequence <= this.acknowledged || sequence > this.sequence) return
    this.acknowledged = sequence
    const first = this.kept[0]
    // In large steps, as above.
    if (first !== undefined && sequence - first.sequence > 64 + this.kept.length / 2) {
      this.kept = this.kept.slice(sequence + 1 - first.sequence)
    }
  }

  /** Whether all dispatches after this sequence are buffered. */
  canReplay(sequence: number): boolean {
    return sequence >= this.acknowledged && sequence >= this.sequence - this.settings.replayBuffer
  }

  /** Sends all dispatches after this sequence again. */
  replay(sequence: number): void {
    const first = this.kept[0]
    if (first === undefined) return
    for (const { frame } of this.kept.slice(Math.max(0, sequence + 1 - first.sequence))) {
      this.connection?.sendDispatch(frame)
    }
  }

  record(now: number): SessionRecord {
    return {
      id: this.id,
      shard: this.shard,
      intents: this.intents,
      capabilities: this.capabilities,
      sequence: this.sequence,
      connected: this.connection !== undefined,
      alive: this.isAlive(now),
      dispatched: this.dispatched.all
    }
  }
}
