/**
 * A gateway on a loopback port, by `node:http` and `ws` alone, that does as the test says: it shares nothing with the
 * simulator, so neither its mistakes nor its good manners.
 */
import { createServer, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { type WebSocket, WebSocketServer } from "ws"

/** A frame of the client, with when it came, in milliseconds. */
export interface Frame {
  readonly at: number
  readonly op: number
  readonly d: unknown
}

/** One connection of a client. */
export interface Connection {
  readonly socket: WebSocket
  readonly frames: Array<Frame>
  /** Whether heartbeats are acknowledged. */
  acknowledges: boolean
  code: number | undefined
  /** Where the gateway is. */
  readonly url: string
  readonly send: (payload: object | string) => void
}

/** Answers of the gateway, which says HELLO and acknowledges heartbeats besides. */
export interface Behaviour {
  readonly heartbeatInterval?: number
  /** The answer to an IDENTIFY; READY unless given. */
  readonly onIdentify?: (connection: Connection) => void
  /** The answer to a RESUME; RESUMED unless given. */
  readonly onResume?: (connection: Connection) => void
  /** The answer to any other payload. */
  readonly onFrame?: (connection: Connection, frame: Frame) => void
  /** The answer to GET /gateway/bot; what Discord documents unless given. */
  readonly onDirectory?: (response: ServerResponse, url: string) => void
}

/** The body of GET /gateway/bot. */
export const directory = (url: string, more: object = {}): string =>
  JSON.stringify({
    url,
    shards: 1,
    session_start_limit: { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 1 },
    ...more
  })

/** A dispatch. */
export const dispatch = (t: string, s: number, d: unknown = {}): object => ({ op: 0, t, s, d })

/** READY of a session of this gateway. */
export const ready = (url: string, d: object = {}): object =>
  dispatch("READY", 1, {
    v: 10,
    user: { id: "80351110224678912", username: "bot" },
    application: { id: "80351110224678912", flags: 0 },
    guilds: [],
    session_id: "hostile",
    resume_gateway_url: url,
    ...d
  })

/** Serves until the scope closes. */
export const serve = (behaviour: Behaviour = {}) =>
  Effect.acquireRelease(
    Effect.callback<HostileGateway>((resume) => {
      const gateway = new HostileGateway(behaviour)
      gateway.server.listen(0, "127.0.0.1", () => resume(Effect.succeed(gateway)))
    }),
    (gateway) => Effect.sync(() => gateway.close())
  )

export class HostileGateway {
  readonly server = createServer()
  readonly connections: Array<Connection> = []
  requests = 0
  private readonly behaviour: Behaviour
  private readonly webSockets: WebSocketServer

  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour
    this.server.on("request", (_, response) => {
      this.requests++
      response.on("error", () => undefined)
      if (behaviour.onDirectory === undefined) response.end(directory(this.url))
      else behaviour.onDirectory(response, this.url)
    })
    this.webSockets = new WebSocketServer({ server: this.server, perMessageDeflate: false })
    this.webSockets.on("connection", (socket) => this.converse(socket))
  }

  private get port(): number {
    const address = this.server.address()
    return address === null || typeof address === "string" ? 0 : address.port
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }

  /** The environment of a bot of this gateway. */
  get environment() {
    return {
      DISCORD_TOKEN: "hostile-token",
      DISCORD_API_URL: `http://127.0.0.1:${this.port}/api/v10`,
      DISCORD_COMPRESSION: "none"
    }
  }

  /** The frames of all connections. */
  get frames(): ReadonlyArray<Frame> {
    return this.connections.flatMap(({ frames }) => frames)
  }

  close(): void {
    for (const { socket } of this.connections) socket.terminate()
    this.server.close()
    this.server.closeAllConnections()
  }

  private converse(socket: WebSocket): void {
    const { heartbeatInterval = 41_250, onFrame, onIdentify, onResume } = this.behaviour
    const connection: Connection = {
      socket,
      frames: [],
      acknowledges: true,
      code: undefined,
      url: this.url,
      send: (payload) => socket.send(typeof payload === "string" ? payload : JSON.stringify(payload))
    }
    this.connections.push(connection)
    socket.on("error", () => undefined)
    socket.on("close", (code) => {
      connection.code = code
    })
    socket.on("message", (data) => {
      const { d, op }: { readonly op: number; readonly d: unknown } = JSON.parse(String(data))
      const frame = { at: performance.now(), op, d }
      connection.frames.push(frame)
      if (op === 1 && connection.acknowledges) connection.send({ op: 11 })
      if (op === 2) (onIdentify ?? (() => connection.send(ready(this.url))))(connection)
      if (op === 6) (onResume ?? (() => connection.send(dispatch("RESUMED", 2))))(connection)
      if (![1, 2, 6].includes(op)) onFrame?.(connection, frame)
    })
    connection.send({ op: 10, d: { heartbeat_interval: heartbeatInterval } })
  }
}
