/**
 * Server-side actions on a connection, as data: op 7, op 9, closes, resets, silence.
 *
 * The simulator performs one on request (`simulator.act`), or as the answer of an injected `Fault`.
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
  | { readonly _tag: "SendRaw"; readonly frame: string | Uint8Array }

/** Reconnect (op 7): the client is to reconnect and resume. */
const reconnect: Act = { _tag: "Reconnect" }

/** Heartbeat request (op 1): the client is to send a heartbeat at once. */
const requestHeartbeat: Act = { _tag: "RequestHeartbeat" }

/** TCP reset, without a close frame. */
const drop: Act = { _tag: "Drop" }

/** Half-open connection: the TCP connection stays open, nothing is sent or read, close frames are not answered. */
const mute: Act = { _tag: "Mute" }

/** Invalid Session (op 9). The session ends unless `resumable`. */
const invalidSession = (resumable: boolean): Act => ({ _tag: "InvalidSession", resumable })

/** Close frame, without a code if none is given. The session ends if the code calls for a new one. */
const close = (code?: number, reason = ""): Act => ({ _tag: "Close", code, reason })

/** One frame of arbitrary text or bytes. */
const sendRaw = (frame: string | Uint8Array): Act => ({ _tag: "SendRaw", frame })

/** Constructors of acts: `Act.drop`, `Act.close(4000)`, `Act.invalidSession(false)`, … */
export const Act = { reconnect, requestHeartbeat, drop, mute, invalidSession, close, sendRaw } as const
