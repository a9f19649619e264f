/**
 * Server-side actions on a connection, as data: op 7, op 9, closes, resets, silence.
 *
 * The simulator performs one on request (`simulator.act`), or as the answer of an injected `Fault`.
 *
 * ```ts
 * Act.drop // a TCP reset
 * Act.close(4000)
 * Act.invalidSession(false)
 * ```
 *
 * @since 0.1.0
 */

/**
 * Action of Discord on a connection.
 *
 * @since 0.1.0
 * @category models
 */
export type Act =
  | { readonly _tag: "Reconnect" }
  | { readonly _tag: "InvalidSession"; readonly resumable: boolean }
  | { readonly _tag: "RequestHeartbeat" }
  | { readonly _tag: "Close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "Drop" }
  | { readonly _tag: "Mute" }
  | { readonly _tag: "Deafen" }
  | { readonly _tag: "SendRaw"; readonly frame: string | Uint8Array }

/**
 * Reconnect (op 7): the client is to reconnect and resume.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reconnect: Act = { _tag: "Reconnect" }

/**
 * Heartbeat request (op 1): the client is to send a heartbeat at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const requestHeartbeat: Act = { _tag: "RequestHeartbeat" }

/**
 * TCP reset, without a close frame.
 *
 * @since 0.1.0
 * @category constructors
 */
export const drop: Act = { _tag: "Drop" }

/**
 * Deaf session: dispatches are kept for a replay and not sent, while heartbeats are acknowledged. It lasts as long as the
 * connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const deafen: Act = { _tag: "Deafen" }

/**
 * Half-open connection: the TCP connection stays open, nothing is sent or read, close frames are not answered.
 *
 * @since 0.1.0
 * @category constructors
 */
export const mute: Act = { _tag: "Mute" }

/**
 * Invalid Session (op 9). The session ends unless `resumable`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const invalidSession = (resumable: boolean): Act => ({ _tag: "InvalidSession", resumable })

/**
 * Close frame, without a code if none is given. The session ends if the code calls for a new one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const close = (code?: number, reason = ""): Act => ({ _tag: "Close", code, reason })

/**
 * One frame of arbitrary text or bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sendRaw = (frame: string | Uint8Array): Act => ({ _tag: "SendRaw", frame })
