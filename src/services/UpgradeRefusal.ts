/**
 * The HTTP answer that refused a WebSocket's upgrade, from WebSockets that tell it: those of Node.js do, browsers' do not.
 */
import type { WebSocketLike } from "effect/socket/Socket"
import * as Predicate from "effect/Predicate"
import type { ResponseHeaders } from "./RetryAfter.ts"

/** Headers of the answer that refused the upgrade; empty where there was none, or where the WebSocket does not tell. */
export const refusalHeaders = (ws: WebSocketLike): ResponseHeaders => {
  const headers = Predicate.hasProperty(ws, "refusalHeaders") ? ws.refusalHeaders : undefined
  return { "retry-after": textAt(headers, "retry-after"), date: textAt(headers, "date") }
}

const textAt = (headers: unknown, name: string): string | undefined =>
  Predicate.hasProperty(headers, name) && typeof headers[name] === "string" ? headers[name] : undefined
