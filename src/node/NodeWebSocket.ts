/**
 * WebSocket of the package `ws` behind the interface of `effect/socket`: the callback edge of this library on Node.js.
 *
 * Text frames are handed over as bytes, too: `FrameDecoder` filters dispatches by name on the bytes, and makes strings
 * only of the wanted ones. On a compressed connection bytes mean compressed data, so text stays text there.
 */
import type { ClientRequest, IncomingHttpHeaders } from "node:http"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"
import { WebSocket } from "ws"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { userAgent } from "../version.ts"

/** `WebSocketConstructor` of `ws`. A message over `maxPayloadBytes` ends the connection with 1009. */
export const layer: Layer.Layer<Socket.WebSocketConstructor, never, GatewayConfig> = Layer.effect(
  Socket.WebSocketConstructor,
  Effect.map(GatewayConfig, ({ maxPayloadBytes, timeouts }) => (url, options) => {
    const { headers, protocols } =
      options === undefined || typeof options === "string" || Array.isArray(options)
        ? { headers: undefined, protocols: options }
        : { headers: options.headers, protocols: options.protocols }
    const behaviour = {
      maxPayload: maxPayloadBytes,
      // Discord has its own compression.
      perMessageDeflate: false,
      // Limit for the peer's answer to a close frame. The types of `ws` lack this option.
      closeTimeout: Duration.toMillis(timeouts.close),
      headers: { "user-agent": userAgent, ...headers },
      // `ws` tells the status of an answer that refuses the upgrade, but not its headers.
      finishRequest: (request: ClientRequest) => {
        request.once("response", (response) => {
          answer.refusalHeaders = response.headers
        })
        request.end()
      }
    }
    const answer: Answer = { refusalHeaders: undefined }
    return new BytesWebSocket(
      new WebSocket(url, protocols ?? [], behaviour),
      answer,
      new URL(url).searchParams.has("compress")
    )
  })
)

type Listener = (event: Socket.WebSocketEvent) => void

/** The answer to the upgrade, if it was refused. */
interface Answer {
  refusalHeaders: IncomingHttpHeaders | undefined
}

class BytesWebSocket implements Socket.WebSocketLike {
  readonly #ws: WebSocket
  readonly #answer: Answer
  readonly #onMessage = new Map<Listener, (data: unknown, isBinary: boolean) => void>()

  readonly #isCompressed: boolean

  constructor(ws: WebSocket, answer: Answer, isCompressed: boolean) {
    this.#ws = ws
    this.#answer = answer
    this.#isCompressed = isCompressed
  }

  get readyState() {
    return this.#ws.readyState
  }
  get bufferedAmount() {
    return this.#ws.bufferedAmount
  }
  get refusalHeaders() {
    return this.#answer.refusalHeaders
  }
  get isPaused() {
    return this.#ws.isPaused
  }
  /** Calls the listener once all frames of a read are handed over. */
  afterRead(listener: () => void) {
    let isDue = false
    // `ws` hands over the frames of a read in one go, and Node.js runs microtasks after it.
    this.#ws.on("message", () => {
      if (isDue) return
      isDue = true
      queueMicrotask(() => {
        isDue = false
        listener()
      })
    })
  }
  pause() {
    this.#ws.pause()
  }
  resume() {
    this.#ws.resume()
  }
  close(code?: number, reason?: string) {
    this.#ws.close(code, reason)
  }
  terminate() {
    this.#ws.terminate()
  }
  send(data: string | Uint8Array) {
    this.#ws.send(data)
  }

  addEventListener(type: "open" | "message" | "error" | "close", listener: Listener, options?: { once?: boolean }) {
    if (type !== "message") {
      this.#ws.addEventListener(type, listener, options ?? {})
      return
    }
    const onMessage = (data: unknown, isBinary: boolean) =>
      listener({ type, data: this.#isCompressed && !isBinary ? String(data) : data })
    this.#onMessage.set(listener, onMessage)
    this.#ws.on("message", onMessage)
  }
  removeEventListener(type: "open" | "message" | "error" | "close", listener: Listener) {
    if (type !== "message") {
      this.#ws.removeEventListener(type, listener)
      return
    }
    const onMessage = this.#onMessage.get(listener)
    if (onMessage === undefined) return
    this.#onMessage.delete(listener)
    this.#ws.off("message", onMessage)
  }
}
