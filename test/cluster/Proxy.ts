/**
 * A TCP proxy that stands between the cluster and its database, and can fall silent or away.
 */
import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"

/** Starts a proxy on a free port of this address; it ends with the scope. */
export const make = (target: { readonly host: string; readonly port: number }, host = "127.0.0.1") =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof listen>>((resume) => {
        const proxy = listen(target)
        proxy.server.listen(0, host, () => resume(Effect.succeed(proxy)))
      }),
      ({ drop, server }) =>
        Effect.sync(() => {
          server.close()
          drop()
        })
    ),
    ({ delay, drop, server, set }) => {
      const address = server.address()
      return {
        host,
        port: typeof address === "object" && address !== null ? address.port : 0,
        /** Bytes stop in both directions, connections stay open, new ones too: a network that is cut. */
        stall: Effect.sync(() => set("stalled")),
        /** Connections are reset, new ones too: a database that is stopped. */
        refuse: Effect.sync(() => {
          set("refusing")
          drop()
        }),
        /** New connections are reset, those that are there go on: a database whose connections are used up. */
        full: Effect.sync(() => set("full")),
        /** Answers take so many milliseconds more. */
        delay: (millis: number) => Effect.sync(() => delay(millis)),
        /** All is well again. What was open while it stalled is reset, as after a failover. */
        restore: Effect.sync(() => {
          set("open")
          drop()
        })
      }
    }
  )

const listen = (target: { readonly host: string; readonly port: number }) => {
  let state: "open" | "stalled" | "refusing" | "full" = "open"
  let latency = 0
  const sockets = new Set<Socket>()
  const pairs = new Set<readonly [Socket, Socket]>()
  const flow = ([left, right]: readonly [Socket, Socket]) => {
    for (const socket of [left, right]) {
      if (state === "stalled") socket.pause()
      else socket.resume()
    }
  }
  const server = createServer((client) => {
    sockets.add(client)
    client.on("error", () => client.destroy()).on("close", () => sockets.delete(client))
    if (state === "refusing" || state === "full") return void client.destroy()
    const upstream = connect(target)
    sockets.add(upstream)
    const pair = [client, upstream] as const
    pairs.add(pair)
    client.on("data", (data) => upstream.write(data)).on("close", () => upstream.destroy())
    upstream
      .on("data", (data) => void (latency === 0 ? client.write(data) : setTimeout(() => client.write(data), latency)))
      .on("error", () => upstream.destroy())
      .on("close", () => {
        sockets.delete(upstream)
        pairs.delete(pair)
        client.destroy()
      })
    flow(pair)
  })
  return {
    server,
    delay: (millis: number) => {
      latency = millis
    },
    set: (next: typeof state) => {
      state = next
      for (const pair of pairs) flow(pair)
    },
    drop: () => {
      for (const socket of sockets) socket.destroy()
    }
  }
}
