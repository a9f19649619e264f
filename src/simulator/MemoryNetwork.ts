/**
 * In-memory network of the simulator: WebSocket connections and REST requests within the process.
 *
 * Frames and requests arrive in order, after the latency, on the `Clock`: a `TestClock` drives them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as HttpClient from "effect/http/HttpClient"
import { HttpClientError, TransportError } from "effect/http/HttpClientError"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { WebSocketConstructor } from "effect/socket/Socket"
import * as GatewayProtocol from "./GatewayProtocol.ts"
import { dial } from "./Dial.ts"
import { headersOf } from "./HttpHeaders.ts"
import { Link } from "./Link.ts"
import { MemorySocket, type Upward } from "./MemorySocket.ts"
import * as RestApi from "./RestApi.ts"
import type { Peer } from "./SimulatedConnection.ts"
import type { SimulatedDiscord } from "./SimulatedDiscord.ts"
import type { Addresses } from "./SimulatorOptions.ts"

/** Addresses that the in-memory simulator announces. It answers on every other host, too. */
export const addresses: Addresses = {
  apiUrl: "https://discord.com/api/v10",
  gatewayUrl: "wss://gateway.discord.gg",
  resumeUrl: "wss://gateway-sim1.discord.gg"
}

/** Properties of the network. */
export interface Network {
  /** Milliseconds one way. */
  readonly latency: number
  readonly frames: "text" | "binary"
}

/** WebSocket constructor that connects to the simulator, for any URL. */
export const webSocketConstructor =
  (discord: SimulatedDiscord, network: Network): WebSocketConstructor["Service"] =>
  (href) => {
    const url = new URL(href)
    let protocol: GatewayProtocol.GatewayProtocol | undefined
    const up = new Link<Upward>(discord.timers, network.latency, (item) => {
      switch (item._tag) {
        case "Dial":
          protocol = answerDial(discord, url, socket, peer)
          return
        case "Frame":
          return protocol?.received(item.data)
        case "Close":
          protocol?.closed(item.code, item.reason)
          return socket.down.hurry()
        case "Lost":
          return protocol?.lost()
      }
    })
    const socket = new MemorySocket(discord.timers, network.latency, up)
    const peer = peerOf(socket, network)
    return socket
  }

const answerDial = (discord: SimulatedDiscord, url: URL, socket: MemorySocket, peer: Peer) => {
  const answer = dial(discord, url)
  if (answer === "ignore") return undefined
  if (answer === "accept") {
    socket.down.put({ _tag: "Accepted" })
    return GatewayProtocol.open(discord, url, peer)
  }
  socket.down.put(
    answer === "refuse"
      ? { _tag: "Refused", message: `connect ECONNREFUSED ${url.host}`, headers: undefined }
      : { _tag: "Refused", message: `Unexpected server response: ${answer.status}`, headers: headersOf(answer) }
  )
  return undefined
}

const peerOf = (socket: MemorySocket, network: Network): Peer => {
  const encoder = new TextEncoder()
  const asReceived = (frame: string | Uint8Array) =>
    typeof frame === "string" && network.frames === "binary" ? encoder.encode(frame) : frame
  return {
    send: (frame) => socket.down.put({ _tag: "Frame", data: asReceived(frame) }),
    close: (code, reason) => socket.down.put({ _tag: "Close", code, reason }),
    drop: () => socket.down.put({ _tag: "Lost" }),
    read: constVoid
  }
}

const decoder = new TextDecoder()

/** HTTP client that the simulator answers, for any host. */
export const httpClient = (discord: SimulatedDiscord, network: Network): Effect.Effect<HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const travel = clock.sleep(Duration.millis(network.latency))
    return HttpClient.make(
      Effect.fnUntraced(function* (request, url) {
        yield* travel
        const answer = RestApi.answer(discord, {
          method: request.method,
          path: url.pathname,
          authorization: request.headers["authorization"],
          body: request.body._tag === "Uint8Array" ? decoder.decode(request.body.body) : undefined
        })
        if (answer === "ignore") return yield* Effect.never
        yield* travel
        if (answer === "unreachable") {
          const description = "The simulated network is down"
          return yield* new HttpClientError({ reason: new TransportError({ request, description }) })
        }
        const { body, headers, status } = answer
        return HttpServerResponse.toClientResponse(HttpServerResponse.text(body, { status, headers }), { request })
      })
    )
  })
