/**
 * Inflates what Discord has compressed, as far as the runtime can: a decompressor per connection, synchronous, so that a
 * payload costs no switch of fibers.
 *
 * Without a platform's own zlib, fflate does it in JavaScript; it knows no zstd.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Unzlib, unzlibSync } from "fflate"
import type { Compression, TransportCompression } from "../schema/Compression.ts"
import { DecompressionFailed } from "../schema/ConnectionError.ts"

/** Inflates one connection's binary messages, in order. */
export type Decompressor = (message: Uint8Array) => Result.Result<Inflated, DecompressionFailed>

/** The payload's text as UTF-8, valid until the next message; undefined while the payload is not complete. */
export type Inflated = Uint8Array | undefined

/** What a runtime can inflate. */
export interface Decompressors {
  /** The compressions of a connection that it knows, the best first. */
  readonly transports: ReadonlyArray<TransportCompression>
  /** Makes the decompressor of a connection, which is freed with the scope. `limit` is the size of a payload in bytes. */
  readonly make: (
    compression: Exclude<Compression, "none">,
    limit: number
  ) => Effect.Effect<Decompressor, never, Scope.Scope>
}

/** Watches the messages of a zlib stream, and tells whether one ends a payload: its last bytes are then 00 00 ff ff. */
export const watchPayloadEnds = (): ((message: Uint8Array) => boolean) => {
  // The four bytes may come in several messages.
  let last = 0xffffffff
  return (message) => {
    for (let at = Math.max(0, message.length - 4); at < message.length; at++) {
      last = ((last << 8) | (message[at] ?? 0)) >>> 0
    }
    return last === 0x0000ffff
  }
}

/** Puts the parts of a payload together, and keeps its size. */
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
    // Not kept beyond the limit, whatever more there is in the message.
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

/** In JavaScript alone. */
export const portable: Decompressors = {
  transports: ["zlib-stream"],
  make: (compression, limit) =>
    Effect.sync(() => (compression === "payload" ? portablePayload(limit) : portableZlibStream(limit)))
}

/** The runtime's decompressors: portable ones, unless a platform's layer brings better. */
export const Decompression: Context.Reference<Decompressors> = Context.Reference("disruption-gateway/Decompression", {
  defaultValue: () => portable
})
