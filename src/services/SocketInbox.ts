/**
 * What a WebSocket has brought and nobody has taken yet: decoded as it comes, and handed over a turn of the event loop at
 * a time.
 *
 * The reader of a connection waits here for news. When it does not take what there is, the WebSocket is paused, if it is of
 * a kind that can be; what then comes nevertheless is kept.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { WebSocketEvent, WebSocketLike } from "effect/socket/Socket"
import { MalformedPayload } from "../schema/ConnectionError.ts"
import { Signal } from "./Signal.ts"
import type { FrameDecoder, ReceivedPayload } from "./FrameDecoder.ts"

/** Payloads that came in one turn of the event loop, and how much memory they take, roughly: the length of their text. */
export interface ConnectionBatch {
  readonly received: Arr.NonEmptyReadonlyArray<ReceivedPayload>
  readonly size: number
}

/** Why a WebSocket has ended: closed by the peer, or broken. */
export type SocketEnd =
  | { readonly _tag: "Closed"; readonly code: number; readonly reason: string }
  | { readonly _tag: "Broken"; readonly description: string }

/**
 * What may wait here, in characters of text, before the WebSocket is paused. Less than several of Node's reads (64 KiB)
 * would pause and resume it with each of them.
 */
const highWaterMark = 512 * 1024

/** What is kept of a dispatch that nobody asked for takes some memory, too. */
const sizeOfItem = 16

/** The inbox of one connection. */
export class SocketInbox {
  private readonly ws: WebSocketLike
  private readonly decoder: FrameDecoder
  private received: Array<ReceivedPayload> = []
  private charactersTaken = 0
  private isPaused = false
  private isClosed = false
  private ended: SocketEnd | undefined
  private readonly news = new Signal()

  /** Listens to a WebSocket from now on. */
  constructor(ws: WebSocketLike, decoder: FrameDecoder) {
    this.ws = ws
    this.decoder = decoder
    if ("binaryType" in ws) ws.binaryType = "arraybuffer"
    ws.addEventListener("open", () => this.news.notify())
    ws.addEventListener("message", (event) => this.onMessage(event))
    ws.addEventListener("error", (event) => this.end({ _tag: "Broken", description: describe(event) }))
    ws.addEventListener("close", ({ code = 1006, reason = "" }) => this.end({ _tag: "Closed", code, reason }))
  }

  /** Waits until the WebSocket is open. Fails with its end. */
  opened(): Effect.Effect<void, SocketEnd> {
    return Effect.suspend(() => {
      this.news.reset()
      if (this.ended !== undefined) return Effect.fail(this.ended)
      return this.ws.readyState === openState ? Effect.void : Effect.andThen(this.news.wait, this.opened())
    })
  }

  /** What has come, at least one payload; waits for it. Fails with the end, after all that came before it was taken. */
  take(): Effect.Effect<ConnectionBatch, SocketEnd> {
    return Effect.suspend(() => {
      this.news.reset()
      if (Arr.isArrayNonEmpty(this.received)) return Effect.succeed(this.batch(this.received))
      if (this.ended !== undefined) return Effect.fail(this.ended)
      // Woken by the first frame, a reader would be woken again by the next, each time at the cost of a switch of fibers.
      // So it waits for the end of the turn: measured, some eighty frames come in one.
      return Effect.andThen(Effect.andThen(this.news.wait, Effect.yieldNow), this.take())
    })
  }

  /** Takes no more notice of the WebSocket, which flows again, so that a close from the peer arrives. */
  close(): void {
    this.isClosed = true
    this.received = []
    this.resume()
  }

  private batch(received: Arr.NonEmptyArray<ReceivedPayload>): ConnectionBatch {
    const { charactersParsed } = this.decoder
    const size = charactersParsed - this.charactersTaken
    this.charactersTaken = charactersParsed
    this.received = []
    this.resume()
    return { received, size }
  }

  private onMessage({ data }: WebSocketEvent): void {
    if (this.isClosed) return
    const received = this.decode(data)
    // Parts of a payload that is still to be completed.
    if (received === undefined) return
    this.received.push(received)
    const size = this.decoder.charactersParsed - this.charactersTaken + this.received.length * sizeOfItem
    if (size >= highWaterMark) this.pause()
    this.news.notify()
  }

  private decode(data: unknown): ReceivedPayload | undefined {
    if (typeof data === "string" || data instanceof Uint8Array) return this.decoder.decode(data)
    if (data instanceof ArrayBuffer) return this.decoder.decode(new Uint8Array(data))
    return new MalformedPayload({ description: "the WebSocket gave a frame that is neither text nor bytes" })
  }

  private end(end: SocketEnd): void {
    if (this.isClosed) return
    // An error is followed by a close, which knows less.
    this.ended ??= end
    this.news.notify()
  }

  /** Browsers' sockets know no such thing. */
  private pause(): void {
    if (this.isPaused || !isPausable(this.ws)) return
    this.isPaused = true
    this.ws.pause()
  }

  private resume(): void {
    if (!this.isPaused || !isPausable(this.ws)) return
    this.isPaused = false
    // A socket that has ended cannot flow, and throws.
    if (this.ended === undefined) this.ws.resume()
  }
}

const openState = 1

interface Pausable {
  readonly pause: () => void
  readonly resume: () => void
}

const isPausable = (ws: WebSocketLike): ws is WebSocketLike & Pausable =>
  Predicate.hasProperty(ws, "pause") &&
  Predicate.isFunction(ws.pause) &&
  Predicate.hasProperty(ws, "resume") &&
  Predicate.isFunction(ws.resume)

/** The event of a WebSocket's error has a message where its implementation has one to give. */
const describe = (event: WebSocketEvent): string =>
  Predicate.hasProperty(event, "message") && typeof event.message === "string" && event.message !== ""
    ? event.message
    : "the WebSocket reported an error"
