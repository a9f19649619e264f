/**
 * Simulator on a loopback port, by `node:http` and the package `ws`.
 *
 * Callback edge: both packages take callbacks, and all of ours are synchronous.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type RawData, type WebSocket, WebSocketServer } from "ws"
import * as GatewayProtocol from "./GatewayProtocol.ts"
import { dial } from "./Dial.ts"
import type { HttpAnswer } from "./Fault.ts"
import { headersOf } from "./HttpHeaders.ts"
import * as RestApi from "./RestApi.ts"
import type { Peer } from "./SimulatedConnection.ts"
import type { SimulatedDiscord } from "./SimulatedDiscord.ts"
import type { Addresses } from "./SimulatorOptions.ts"

/**
 * Failure to listen on a port, most often because it is taken.
 *
 * @since 0.1.0
 * @category errors
 */
export class PortUnavailable extends Schema.TaggedError<PortUnavailable>("disruption-gateway/PortUnavailable")(
  "PortUnavailable",
  {
    host: Schema.String,
    port: Schema.Int,
    cause: Schema.Defect()
  }
) {
  override get message() {
    return `Port ${this.port} of ${this.host} cannot be used. Choose another one, or 0 to take any free port.`
  }
}

/**
 * Milliseconds from the upgrade to HELLO, which Discord sends from behind its proxies. Several clients lose what comes in the
 * same TCP segment as the upgrade, as all would on a loopback.
 */
const helloDelay = 50

/** Listening server without request handlers. */
export interface Listening {
  readonly server: Server
  readonly addresses: Addresses
}

/** Listens on a port until the scope closes, which destroys all connections. */
export const listen = (host: string, port: number): Effect.Effect<Listening, PortUnavailable, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Server; readonly sockets: Set<Socket> }, PortUnavailable>((resume) => {
        const server = createServer()
        const sockets = new Set<Socket>()
        server.on("connection", (socket) => {
          sockets.add(socket)
          socket.once("close", () => sockets.delete(socket))
        })
        server.once("error", (cause) => resume(Effect.fail(new PortUnavailable({ host, port, cause }))))
        server.listen(port, host, () => resume(Effect.succeed({ server, sockets })))
        return Effect.sync(() => server.close())
      }),
      ({ server, sockets }) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    ),
    ({ server }) => ({ server, addresses: addressesOf(server, host) })
  )

const addressesOf = (server: Server, host: string): Addresses => {
  const address = server.address()
  const authority = `${host}:${address === null || typeof address === "string" ? 0 : address.port}`
  return {
    apiUrl: `http://${authority}/api/v10`,
    gatewayUrl: `ws://${authority}`,
    resumeUrl: `ws://${authority}/resume`
  }
}

/** Serves the simulator on the port. */
export const attach = ({ addresses, server }: Listening, discord: SimulatedDiscord): void => {
  const urlOf = (request: IncomingMessage): URL => {
    const path = request.url ?? "/"
    return URL.canParse(path, addresses.gatewayUrl)
      ? new URL(path, addresses.gatewayUrl)
      : new URL(addresses.gatewayUrl)
  }
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  server.on("request", (request, response) => respond(discord, urlOf(request), request, response))
  server.on("upgrade", (request, socket, head) => {
    const url = urlOf(request)
    const answer = dial(discord, url)
    socket.on("error", constVoid)
    if (answer === "accept") {
      return webSockets.handleUpgrade(request, socket, head, (ws) => {
        // Frames that the client sends before HELLO wait in the socket.
        ws.pause()
        // A violation of the WebSocket protocol ends the connection; the event "close" follows.
        ws.on("error", constVoid)
        discord.timers.after(helloDelay, () => {
          if (ws.readyState !== ws.OPEN) return
          converse(discord, url, ws, socket)
          ws.resume()
        })
      })
    }
    if (answer === "refuse") return socket.destroy()
    if (answer !== "ignore") refuseUpgrade(socket, answer)
  })
}

const refuseUpgrade = (socket: Duplex, answer: HttpAnswer): void => {
  const headers = Object.entries({ connection: "close", "content-length": "0", ...headersOf(answer) })
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${answer.status} Simulated\r\n${lines.join("")}\r\n`)
}

const respond = (discord: SimulatedDiscord, url: URL, request: IncomingMessage, response: ServerResponse): void => {
  let body = ""
  request.setEncoding("utf8")
  request.on("data", (text: string) => {
    body += text
    if (body.length > largestBody) request.destroy()
  })
  request.on("end", () => answerTo(discord, url, request, body === "" ? undefined : body, response))
}

/** Largest body that is read: Discord's largest message is smaller. */
const largestBody = 1024 * 1024

const answerTo = (
  discord: SimulatedDiscord,
  url: URL,
  request: IncomingMessage,
  body: string | undefined,
  response: ServerResponse
): void => {
  const answer = RestApi.answer(discord, {
    method: request.method ?? "GET",
    path: url.pathname,
    authorization: request.headers.authorization,
    body
  })
  if (answer === "ignore") return
  if (answer === "unreachable") return void request.socket.destroy()
  response.writeHead(answer.status, answer.headers).end(answer.body)
}

const converse = (discord: SimulatedDiscord, url: URL, ws: WebSocket, socket: Duplex): void => {
  const protocol = GatewayProtocol.open(discord, url, peerOf(ws, socket))
  ws.on("message", (data, isBinary) => protocol.received(isBinary ? bytesOf(data) : bytesOf(data).toString()))
  ws.on("close", (code, reason) => {
    if (code === 1006) protocol.lost()
    else protocol.closed(code === 1005 ? undefined : code, reason.toString())
  })
}

const bytesOf = (data: RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data

const peerOf = (ws: WebSocket, socket: Duplex): Peer => ({
  send: (frame) => ws.send(frame),
  close: (code, reason) => {
    if (code === undefined) ws.close()
    else ws.close(code, reason)
    // Some clients answer no close frame and wait for the end of the TCP connection, for which `ws` takes 30 seconds.
    socket.end()
  },
  drop: () => ws.terminate(),
  read: (reading) => (reading ? ws.resume() : ws.pause())
})
