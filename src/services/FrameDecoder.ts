/**
 * Decoder from WebSocket frames to payloads: the hot path of the library.
 *
 *     bytes → inflate → filter by the name, read on the bytes → string → JSON → check the envelope
 */
import * as Result from "effect/Result"
import { type DecompressionFailed, MalformedPayload } from "../schema/ConnectionError.ts"
import { dispatchNames } from "../schema/DispatchNames.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import { type Payload, payloadOf } from "../schema/Payload.ts"
import { type DispatchHeader, readDispatchHeader } from "../schema/PayloadHeader.ts"
import { UnparsedPayload } from "../schema/UnparsedPayload.ts"
import type { Decompressor } from "./Decompression.ts"
import type { DispatchTally } from "./DispatchTally.ts"

/**
 * A decoded frame: a payload, an error in its place, or only the sequence of a dispatch that `events` leaves out.
 *
 * @category models
 * @since 0.1.0
 */
export type ReceivedPayload = Payload | number | MalformedPayload | DecompressionFailed

/** Dispatches that the library itself needs, always decoded. */
const alwaysSeen: ReadonlySet<string> = new Set([
  "READY",
  "RESUMED",
  "GUILD_MEMBERS_CHUNK",
  "RATE_LIMITED",
  // Which guilds can answer a probe. It is handed on only where the program wants it.
  "GUILD_DELETE"
])

/** Options of a connection's decoder. */
export interface FrameDecoderOptions {
  readonly shard: number
  /** The largest frame in bytes. */
  readonly limit: number
  /** The dispatches to decode; undefined for all. */
  readonly wanted: () => ReadonlySet<string> | undefined
  /** Whether dispatches are only passed on: those that the library itself does not need are not parsed. */
  readonly passesOn: () => boolean
  /** Removes the token from names that are not Discord's. */
  readonly mask: (text: string) => string
  /** Counts dispatches. */
  readonly tally: DispatchTally
  /** Inflates compressed frames; undefined without compression. */
  readonly decompress: Decompressor | undefined
  /** Tells compressed binary frames from plain ones. */
  readonly isCompressed: (frame: Uint8Array) => boolean
}

/** Decodes the frames of one connection, in order. */
export class FrameDecoder {
  private readonly options: FrameDecoderOptions
  private parsed = 0
  private unseen = 0

  constructor(options: FrameDecoderOptions) {
    this.options = options
  }

  /** Characters parsed so far: a rough measure of the payloads' memory. */
  get charactersParsed(): number {
    return this.parsed
  }

  /** GUILD_CREATEs that were dropped so far: the shard counts its guilds. */
  get guildsUnseen(): number {
    return this.unseen
  }

  /** Decodes a frame. Undefined while its payload is incomplete. */
  decode(frame: Uint8Array | string): ReceivedPayload | undefined {
    const { decompress, isCompressed, limit } = this.options
    if (frame.length > limit) {
      return new MalformedPayload({ description: `a frame of ${frame.length} bytes is over the limit of ${limit}` })
    }
    if (typeof frame === "string") return this.decodeText(frame, frame.length)
    if (decompress === undefined || !isCompressed(frame)) return this.decodeBytes(frame)
    const inflated = decompress(frame)
    if (Result.isFailure(inflated)) return inflated.failure
    return inflated.success === undefined ? undefined : this.decodeBytes(inflated.success)
  }

  private decodeBytes(bytes: Uint8Array): ReceivedPayload {
    const wanted = this.options.wanted()
    const passesOn = this.options.passesOn()
    if (wanted !== undefined || passesOn) {
      const header = readDispatchHeader(bytes)
      if (header !== undefined && !isWanted(header.t, wanted)) {
        this.drop(this.masked(header.t), bytes.length)
        return header.s
      }
      if (passesOn && header !== undefined && documented.has(header.t) && !alwaysSeen.has(header.t)) {
        return this.passOn(header, bytes)
      }
    }
    return this.decodeText(textOf(bytes), bytes.length)
  }

  private passOn({ s, t }: DispatchHeader, bytes: Uint8Array): Payload {
    const text = textOf(bytes)
    this.parsed += text.length
    this.options.tally.decoded(t, bytes.length)
    return new UnparsedPayload(t, s, this.options.shard, text)
  }

  private masked(name: string): string {
    return documented.has(name) ? name : this.options.mask(name)
  }

  private decodeText(text: string, bytes: number): ReceivedPayload {
    this.parsed += text.length
    const decoded = payloadOf(text, this.options.shard)
    if ("_tag" in decoded || decoded.t === null || documented.has(decoded.t)) return this.filter(decoded, bytes)
    return this.filter({ ...decoded, t: this.masked(decoded.t) }, bytes)
  }

  private filter(payload: Payload | MalformedPayload, bytes: number): ReceivedPayload {
    const { tally } = this.options
    if ("_tag" in payload || payload.op !== GatewayOpcode.Dispatch || payload.t === null) return payload
    if (payload.s === null || isWanted(payload.t, this.options.wanted())) {
      tally.decoded(payload.t, bytes)
      return payload
    }
    this.drop(payload.t, bytes)
    return payload.s
  }

  private drop(name: string, bytes: number): void {
    this.options.tally.dropped(name, bytes)
    if (name === "GUILD_CREATE") this.unseen++
  }
}

/** Names that need no mask. */
const documented: ReadonlySet<string> = new Set(dispatchNames)

const isWanted = (name: string, wanted: ReadonlySet<string> | undefined): boolean =>
  wanted === undefined || wanted.has(name) || alwaysSeen.has(name)

const utf8 = new TextDecoder()

/**
 * UTF-8 decoding, with `Buffer` where there is one. Measured on Node.js 20: strings of `TextDecoder` take two bytes a
 * character, and JSON.parse is 50 % slower on them.
 */
const textOf = (bytes: Uint8Array): string =>
  typeof Buffer !== "undefined" && bytes instanceof Buffer ? bytes.toString("utf8") : utf8.decode(bytes)
