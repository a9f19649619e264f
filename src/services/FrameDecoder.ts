/**
 * From a WebSocket frame to a payload: the hot path of the library.
 *
 *     bytes → inflated → its name read off the bytes, dropped if nobody wants it → text → JSON → envelope checked
 */
import * as Result from "effect/Result"
import { type DecompressionFailed, MalformedPayload } from "../schema/ConnectionError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import { decodePayload, type Payload } from "../schema/Payload.ts"
import { readDispatchHeader } from "../schema/PayloadHeader.ts"
import type { Decompressor } from "./Decompression.ts"

/**
 * What a frame turns out to be. A number is the sequence of a dispatch that nobody asked for: it counts, and that is all
 * that is kept of it.
 */
export type Received = Payload | number | MalformedPayload | DecompressionFailed

/** Decodes the frames of one connection, in order. */
export interface FrameDecoder {
  /** Undefined for a frame that does not complete a payload. */
  readonly decode: (frame: Uint8Array | string) => Received | undefined
  /** How many characters of text were parsed since this was asked last. */
  readonly takeParsed: () => number
}

/** What the library itself waits for, whatever the program wants. */
const alwaysSeen = new Set(["READY", "RESUMED", "GUILD_MEMBERS_CHUNK", "RATE_LIMITED"])

/** Makes the decoder of a connection. */
export const make = (options: {
  readonly shard: number
  /** The largest frame in bytes. */
  readonly limit: number
  /** The dispatches to decode; undefined for all. */
  readonly wanted: ReadonlySet<string> | undefined
  /** Inflates binary frames, where they are compressed. */
  readonly decompress: Decompressor | undefined
  /** Whether a binary frame is compressed. */
  readonly isCompressed: (frame: Uint8Array) => boolean
}): FrameDecoder => {
  const { decompress, isCompressed, limit, shard, wanted } = options
  const isWanted = (name: string) => wanted === undefined || wanted.has(name) || alwaysSeen.has(name)

  let parsed = 0

  const decodeText = (text: string): Received => {
    parsed += text.length
    const payload = Result.merge(decodePayload(text, shard))
    if ("_tag" in payload || payload.op !== GatewayOpcode.Dispatch || payload.s === null) return payload
    return payload.t !== null && isWanted(payload.t) ? payload : payload.s
  }

  const decodeBytes = (bytes: Uint8Array): Received => {
    if (wanted !== undefined) {
      const header = readDispatchHeader(bytes)
      if (header !== undefined && !isWanted(header.t)) return header.s
    }
    return decodeText(textOf(bytes))
  }

  const decode: FrameDecoder["decode"] = (frame) => {
    if (frame.length > limit) {
      return new MalformedPayload({ description: `a frame of ${frame.length} bytes is over the limit of ${limit}` })
    }
    if (typeof frame === "string") return decodeText(frame)
    if (decompress === undefined || !isCompressed(frame)) return decodeBytes(frame)
    const inflated = decompress(frame)
    if (Result.isFailure(inflated)) return inflated.failure
    return inflated.success === undefined ? undefined : decodeBytes(inflated.success)
  }

  return {
    decode,
    takeParsed: () => {
      const taken = parsed
      parsed = 0
      return taken
    }
  }
}

const utf8 = new TextDecoder()

/**
 * Measured on Node.js 20: a string of `TextDecoder` has two bytes for each character, and JSON.parse takes half as long
 * again for it as for one of `Buffer`.
 */
const textOf = (bytes: Uint8Array): string =>
  typeof Buffer !== "undefined" && bytes instanceof Buffer ? bytes.toString("utf8") : utf8.decode(bytes)
