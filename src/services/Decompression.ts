/**
 * Decompression of inbound frames: one synchronous decompressor per connection, so that a payload costs no fiber
 * switch.
 *
 * The default is fflate, in JavaScript and without zstd. A platform's layer replaces it, such as `NodeDecompression`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Unzlib, unzlibSync } from "fflate"
import type { GatewayCompression, TransportCompression } from "../schema/Compression.ts"
import { DecompressionFailed } from "../schema/ConnectionError.ts"

/**
 * Inflates one connection's binary messages, in order: the payload's text as UTF-8, valid until the next message;
 * undefined while the payload is not complete.
 *
 * @category models
 * @since 0.1.0
 */
export type Decompressor = (message: Uint8Array) => Result.Result<Uint8Array | undefined, DecompressionFailed>

/**
 * The decompressors of a runtime.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decompressors {
  /** Supported transport compressions, the best first. */
  readonly transports: ReadonlyArray<TransportCompression>
  /** Makes a connection's decompressor; the scope frees it. `limit` is the largest payload in bytes. */
  readonly make: (
    compression: Exclude<GatewayCompression, "none">,
    limit: number
  ) => Effect.Effect<Decompressor, never, Scope.Scope>
}

/**
 * Detects the end of a payload in a zlib stream: Z_SYNC_FLUSH, the bytes 00 00 ff ff at the end of a message.
 *
 * Discord, "Transport Compression": https://discord.com/developers/docs/events/gateway#transport-compression
 */
export const watchPayloadEnds = (): ((message: Uint8Array) => boolean) => {
  // The four bytes may be spread over several messages.
  let last = 0xffffffff
  return (message) => {
    for (let at = Math.max(0, message.length - 4); at < message.length; at++) {
      last = ((last << 8) | (message[at] ?? 0)) >>> 0
    }
    return last === 0x0000ffff
  }
}

/** Concatenates the parts of a payload; a single part is returned as it is. */
export const joinParts = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [only] = parts
  if (only !== undefined && parts.length === 1) return only
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

const failed = (description: string) => new DecompressionFailed({ description })

const attempt = <A>(inflate: () => A): Result.Result<A, DecompressionFailed> =>
  Result.try({
    try: inflate,
    catch: (cause) => failed(cause instanceof Error ? cause.message : "the data is corrupt")
  })

const tooLarge = (limit: number) => failed(`a payload is over the limit of ${limit} bytes`)

const portableZlibStream = (limit: number): Decompressor => {
  const endsPayload = watchPayloadEnds()
  let parts: Array<Uint8Array> = []
  let size = 0
  const stream = new Unzlib((part) => {
    size += part.length
    // Parts over the limit are discarded, so a decompression bomb takes no memory.
    if (size <= limit) parts.push(part)
  })
  return (message) => {
    const pushed = attempt(() => stream.push(message))
    if (Result.isFailure(pushed)) return Result.fail(pushed.failure)
    if (size > limit) return Result.fail(tooLarge(limit))
    if (!endsPayload(message)) return Result.succeed(undefined)
    const whole = joinParts(parts)
    parts = []
    size = 0
    return Result.succeed(whole)
  }
}

const portablePayload =
  (limit: number): Decompressor =>
  (message) =>
    Result.flatMap(
      attempt(() => unzlibSync(message)),
      (whole) => (whole.length > limit ? Result.fail(tooLarge(limit)) : Result.succeed(whole))
    )

/** Decompressors in plain JavaScript, for every runtime. */
export const portable: Decompressors = {
  transports: ["zlib-stream"],
  make: (compression, limit) =>
    Effect.sync(() => (compression === "payload" ? portablePayload(limit) : portableZlibStream(limit)))
}

/**
 * The runtime's decompressors. Default: `portable`, until a platform's layer provides faster ones.
 *
 * @category services
 * @since 0.1.0
 */
export const Decompression: Context.Reference<Decompressors> = Context.Reference(
  "disruption-gateway/services/Decompression",
  {
    defaultValue: () => portable
  }
)
