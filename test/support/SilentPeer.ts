/**
 * A TCP peer on a loopback port that completes the WebSocket upgrade and reads nothing from then on: the client's bytes fill
 * the kernel's buffers, and then wait in its socket.
 */
import { createHash } from "node:crypto"
import { createServer, type Server, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The peer. */
export interface SilentPeer {
  readonly url: string
  /** Connections whose upgrade was completed. */
  readonly connections: number
}

/** Serves until the scope closes. */
export const serve: Effect.Effect<SilentPeer, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Server; readonly upgraded: Set<Socket> }>((resume) => {
      const upgraded = new Set<Socket>()
      const server = createServer((socket) => {
        let request = ""
        socket.on("error", () => undefined)
        socket.on("data", (data) => {
          request += String(data)
          const key = /^sec-websocket-key: (.+)\r$/im.exec(request)?.[1]
          if (key === undefined || !request.endsWith("\r\n\r\n")) return
          socket.pause()
          upgraded.add(socket)
          socket.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
              `Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`
          )
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, upgraded })))
    }),
    ({ server, upgraded }) =>
      Effect.sync(() => {
        for (const socket of upgraded) socket.destroy()
        server.close()
      })
  ),
  ({ server, upgraded }) => {
    const address = server.address()
    return {
      url: `ws://127.0.0.1:${address === null || typeof address === "string" ? 0 : address.port}`,
      get connections() {
        return upgraded.size
      }
    }
  }
)

/** Answer to a key. RFC 6455, 4.2.2: https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2 */
const acceptOf = (key: string): string =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
