/**
 * Inbox of one WebSocket: frames are decoded on arrival, and their payloads taken in batches: those of one read of the socket
 * where the WebSocket tells the end of a read, otherwise those of one turn of the event loop.
 *
 * Backpressure: at the high-water mark the WebSocket is paused, if it can be (browsers' cannot). Frames that arrive
 * while it is paused are kept.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { WebSocketEvent, WebSocketLike } from "effect/socket/Socket"
import { MalformedPayload } from "../schema/ConnectionError.ts"
import { Signal } from "./Signal.ts"
import type { FrameDecoder, ReceivedPayload } from "./FrameDecoder.ts"

/**
 * Payloads that came together. `size` is the length of their text: a rough measure of their memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionBatch {
  readonly received: Arr.NonEmptyReadonlyArray<ReceivedPayload>
  readonly size: number
  /** GUILD_CREATEs that nobody wants, of which `received` has only the sequence. Absent for none. */
  readonly guildsUnseen?: number
}

/** End of a WebSocket: closed by the peer, or broken. */
export type SocketEnd =
  | { readonly _tag: "Closed"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Broken"; readonly description: string }

/**
 * High-water mark in characters of text: the WebSocket is paused at it. It is several of Node's reads (64 KiB), as a
 * lower mark would pause and resume with each read.
 */
const highWaterMark = 512 * 1024

/** Size of an item without text: the sequence of a dropped dispatch takes memory, too. */
const sizeOfItem = 16

/** The inbox of one connection. */
export class SocketInbox {
  private readonly ws: WebSocketLike
  private readonly decoder: FrameDecoder
  private received: Array<ReceivedPayload> = []
  private charactersTaken = 0
  private guildsTaken = 0
  private isPaused = false
  private isClosed = false
  private readonly tellsReads: boolean
  private taker: ((taken: Effect.Effect<ConnectionBatch, SocketEnd>) => void) | undefined
  private ended: SocketEnd | undefined
  private readonly news = new Signal()

  /** Starts to listen to a WebSocket. */
  constructor(ws: WebSocketLike, decoder: FrameDecoder) {
    this.ws = ws
    this.decoder = decoder
    if ("binaryType" in ws) ws.binaryType = "arraybuffer"
    this.tellsReads = isReadTelling(ws)
    if (isReadTelling(ws)) ws.afterRead(() => this.wake())
    ws.addEventListener("open", () => this.news.notify())
    ws.addEventListener("message", (event) => this.onMessage(event))
    ws.addEventListener("error", (event) => this.end({ _tag: "Broken", description: describe(event) }))
    ws.addEventListener("close", ({ code = 1006, reason = "" }) => this.end({ _tag: "Closed", code, reason }))
  }

  /** Waits until the WebSocket is open. Fails if it ends before. */
  opened(): Effect.Effect<void, SocketEnd> {
    return Effect.suspend(() => {
      this.news.reset()
      if (this.ended !== undefined) return Effect.fail(this.ended)
      return this.ws.readyState === openState ? Effect.void : Effect.andThen(this.news.wait, this.opened())
    })
  }

  /**
   * Waits for payloads and takes all. Fails with the WebSocket's end once all payloads are taken.
   *
   * Batching: each frame would cost a fiber switch otherwise. Measured: some eighty frames come with one read. Few steps: as they
   * are taken once a read, the optimizing compiler comes to them late.
   */
  take(): Effect.Effect<ConnectionBatch, SocketEnd> {
    return this.tellsReads
      ? this.next
      : Effect.suspend(() => this.poll() ?? Effect.andThen(this.arrival, Effect.andThen(Effect.yieldNow, this.take())))
  }

  private readonly next = Effect.callback<ConnectionBatch, SocketEnd>((resume) => {
    const taken = this.poll()
    if (taken !== undefined) return resume(taken)
    this.taker = resume
    return this.leave
  })

  private readonly leave = Effect.sync(() => {
    this.taker = undefined
  })

  private get arrival(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.news.reset()
      return this.received.length > 0 || this.ended !== undefined ? Effect.void : this.news.wait
    })
  }

  private poll(): Effect.Effect<ConnectionBatch, SocketEnd> | undefined {
    if (Arr.isArrayNonEmpty(this.received)) return Effect.succeed(this.batch(this.received))
    return this.ended === undefined ? undefined : Effect.fail(this.ended)
  }

  private wake(): void {
    this.news.notify()
    const { taker } = this
    const taken = taker === undefined ? undefined : this.poll()
    if (taker === undefined || taken === undefined) return
    this.taker = undefined
    taker(taken)
  }

  /** Ignores all further frames, and resumes a paused WebSocket so that the peer's close frame arrives. */
  close(): void {
    this.isClosed = true
    this.received = []
    this.resume()
  }

  private batch(received: Arr.NonEmptyArray<ReceivedPayload>): ConnectionBatch {
    const { charactersParsed, guildsUnseen } = this.decoder
    const size = charactersParsed - this.charactersTaken
    this.charactersTaken = charactersParsed
    this.received = []
    this.resume()
    if (guildsUnseen === this.guildsTaken) return { received, size }
    const unseen = guildsUnseen - this.guildsTaken
    this.guildsTaken = guildsUnseen
    return { received, size, guildsUnseen: unseen }
  }

  private onMessage({ data }: WebSocketEvent): void {
    if (this.isClosed) return
    const received = this.decode(data)
    // The payload is incomplete.
    if (received === undefined) return
    this.received.push(received)
    const size = this.decoder.charactersParsed - this.charactersTaken + this.received.length * sizeOfItem
    if (size >= highWaterMark) this.pause()
    if (!this.tellsReads) this.wake()
  }

  private decode(data: unknown): ReceivedPayload | undefined {
    if (typeof data === "string" || data instanceof Uint8Array) return this.decoder.decode(data)
    if (data instanceof ArrayBuffer) return this.decoder.decode(new Uint8Array(data))
    return new MalformedPayload({ description: "the WebSocket gave a frame that is neither text nor bytes" })
  }

  private end(end: SocketEnd): void {
    if (this.isClosed) return
    // The close event that follows an error has less detail.
    this.ended ??= end
    this.wake()
  }

  /** Pauses the WebSocket, unless it is a browser's, which cannot be paused. */
  private pause(): void {
    if (this.isPaused || !isPausable(this.ws)) return
    this.isPaused = true
    this.ws.pause()
  }

  private resume(): void {
    if (!this.isPaused || !isPausable(this.ws)) return
    this.isPaused = false
    // Resuming a socket that has ended throws.
    if (this.ended === undefined) this.ws.resume()
  }
}

const openState = 1

interface Pausable {
  readonly pause: () => void
  readonly resume: () => void
}

/**
 * A WebSocket that tells when it has handed over the frames of one read. A turn of the event loop has up to 32 reads, and what
 * lives from one to the next is copied by the collector. Measured: a third of the memory, and less time.
 */
interface ReadTelling {
  readonly afterRead: (listener: () => void) => void
}

const isReadTelling = (ws: WebSocketLike): ws is WebSocketLike & ReadTelling =>
  Predicate.hasProperty(ws, "afterRead") && Predicate.isFunction(ws.afterRead)

const isPausable = (ws: WebSocketLike): ws is WebSocketLike & Pausable =>
  Predicate.hasProperty(ws, "pause") &&
  Predicate.isFunction(ws.pause) &&
  Predicate.hasProperty(ws, "resume") &&
  Predicate.isFunction(ws.resume)

/** Message of an error event; browsers give none. */
const describe = (event: WebSocketEvent): string =>
  Predicate.hasProperty(event, "message") && typeof event.message === "string" && event.message !== ""
    ? event.message
    : "the WebSocket reported an error"
