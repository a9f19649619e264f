/**
 * What Discord can do to a connection of its own accord, as data.
 *
 * The simulator performs an act when it is told to (`simulator.act`), or as the answer that a standing {@link Fault}
 * puts in the place of the right one.
 */

/** Something that Discord does to a connection. */
export type Act =
  | { readonly _tag: "Reconnect" }
  | { readonly _tag: "InvalidSession"; readonly resumable: boolean }
  | { readonly _tag: "RequestHeartbeat" }
  | { readonly _tag: "Close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "Drop" }
  | { readonly _tag: "Mute" }
  | { readonly _tag: "SendRaw"; readonly frame: string | Uint8Array }

/** Asks the client to reconnect and resume: op 7. */
const reconnect: Act = { _tag: "Reconnect" }

/** Asks for a heartbeat at once: op 1. */
const requestHeartbeat: Act = { _tag: "RequestHeartbeat" }

/** Resets the TCP connection: there is no close frame. */
const drop: Act = { _tag: "Drop" }

/** Goes silent with the TCP connection open: nothing is sent, nothing is read, close frames are not answered. */
const mute: Act = { _tag: "Mute" }

/** Says that the session is not valid: op 9. With `resumable` false the session has ended. */
const invalidSession = (resumable: boolean): Act => ({ _tag: "InvalidSession", resumable })

/** Closes with a close frame, which has no code if none is given. Codes that call for a new session end the session. */
const close = (code?: number, reason = ""): Act => ({ _tag: "Close", code, reason })

/** Sends these characters or bytes in one frame, whatever they are. */
const sendRaw = (frame: string | Uint8Array): Act => ({ _tag: "SendRaw", frame })

/** The acts: `Act.drop`, `Act.close(4000)`, `Act.invalidSession(false)`, … */
export const Act = { reconnect, requestHeartbeat, drop, mute, invalidSession, close, sendRaw } as const
