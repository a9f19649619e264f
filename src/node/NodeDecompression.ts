/**
 * Synchronous decompression with `node:zlib`. The asynchronous one costs a trip through the thread pool for each
 * payload.
 *
 * Node has no documented synchronous stream. Its own synchronous functions call `writeSync` of the internal handle, and
 * so does this module. A self-test at start falls back to fflate, at several times the cost, if the handle has changed.
 */
import * as zlib from "node:zlib"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { DecompressionFailed } from "../schema/ConnectionError.ts"
import {
  Decompression,
  type Decompressor,
  type Decompressors,
  portable,
  watchPayloadEnds
} from "../services/Decompression.ts"

/** Undocumented parts of a `node:zlib` stream that this module uses. */
interface SyncStream {
  readonly close: () => void
  readonly _handle: {
    /** Inflates into `out`. `_writeState` then has the unused bytes of `out` and of `data`. */
    readonly writeSync: (
      flushFlag: number,
      data: Uint8Array,
      dataOffset: number,
      dataLength: number,
      out: Uint8Array,
      outOffset: number,
      outLength: number
    ) => void
    onerror: (message: string) => void
  }
  readonly _writeState: Uint32Array
}

const isSyncStream = (stream: object): stream is SyncStream =>
  Predicate.hasProperty(stream, "_writeState") &&
  stream._writeState instanceof Uint32Array &&
  Predicate.hasProperty(stream, "_handle") &&
  Predicate.hasProperty(stream._handle, "writeSync") &&
  Predicate.isFunction(stream._handle.writeSync)

/** Size of the output buffer in bytes: enough for most payloads. */
const usualSize = 64 * 1024

const tooLarge = (limit: number) =>
  new DecompressionFailed({ description: `a payload is over the limit of ${limit} bytes` })

/** Output buffer of all connections: each payload is read before the next one is inflated. */
let out = Buffer.allocUnsafe(usualSize)

/** Inflates the chunks of one context. A result is valid until the next chunk of any connection. */
const synchronous = ({ _handle: handle, _writeState: left }: SyncStream, flushFlag: number, limit: number) => {
  const state = { failed: false }
  // The handle is not an event target.
  // oxlint-disable-next-line unicorn/prefer-add-event-listener
  handle.onerror = () => {
    state.failed = true
  }
  return (chunk: Uint8Array): Result.Result<Uint8Array, DecompressionFailed> => {
    if (out.length > usualSize) out = Buffer.allocUnsafe(usualSize)
    let read = 0
    let written = 0
    while (!state.failed) {
      handle.writeSync(flushFlag, chunk, read, chunk.length - read, out, written, out.length - written)
      const [outLeft = 0, chunkLeft = 0] = left
      read = chunk.length - chunkLeft
      written = out.length - outLeft
      if (written > limit) return Result.fail(tooLarge(limit))
      if (outLeft > 0) break
      const larger = Buffer.allocUnsafe(out.length * 2)
      larger.set(out)
      out = larger
    }
    return state.failed
      ? Result.fail(new DecompressionFailed({ description: "the stream is corrupt" }))
      : Result.succeed(out.subarray(0, written))
  }
}

const acquire = (create: () => object) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const stream = create()
      return isSyncStream(stream) ? stream : undefined
    }),
    (stream) => Effect.sync(() => stream?.close())
  )

const zlibStream = (stream: SyncStream, limit: number): Decompressor => {
  const inflate = synchronous(stream, zlib.constants.Z_SYNC_FLUSH, limit)
  const endsPayload = watchPayloadEnds()
  let parts: Array<Uint8Array> = []
  let size = 0
  return (message) =>
    Result.flatMap(inflate(message), (part) => {
      const isComplete = endsPayload(message)
      if (parts.length === 0 && isComplete) return Result.succeed(part)
      size += part.length
      if (size > limit) {
        return Result.fail(tooLarge(limit))
      }
      // Copied, as the next chunk overwrites the output buffer.
      parts.push(new Uint8Array(part))
      if (!isComplete) return Result.succeed(undefined)
      const whole = Buffer.concat(parts)
      parts = []
      size = 0
      return Result.succeed(whole)
    })
}

const zstdStream = (stream: SyncStream, limit: number): Decompressor => {
  const inflate = synchronous(stream, 0, limit)
  return (message) =>
    Result.flatMap(inflate(message), (payload) =>
      payload.length === 0
        ? Result.fail(new DecompressionFailed({ description: "a message has no payload in it" }))
        : Result.succeed(payload)
    )
}

const payload =
  (limit: number): Decompressor =>
  (message) =>
    Result.try({
      try: () => zlib.inflateSync(message, { maxOutputLength: limit }),
      catch: () => new DecompressionFailed({ description: "a payload is corrupt, or over the limit" })
    })

const createZstd: typeof zlib.createZstdDecompress | undefined = zlib.createZstdDecompress

/** Self-test of the internal handle: inflates the same payload twice in one context. */
const works = (): boolean => {
  const stream: object = zlib.createInflate()
  if (!isSyncStream(stream)) return false
  const inflate = synchronous(stream, zlib.constants.Z_SYNC_FLUSH, usualSize)
  const texts = ["789caa56ca2f50b23234ac05000000ffff", "aa863100000000ffff"].map((hex) =>
    Result.match(inflate(Buffer.from(hex, "hex")), {
      onFailure: () => "",
      onSuccess: (bytes) => Buffer.from(bytes).toString()
    })
  )
  stream.close()
  return texts.every((text) => text === '{"op":11}')
}

const native: Decompressors = {
  transports: createZstd === undefined ? ["zlib-stream"] : ["zstd-stream", "zlib-stream"],
  make: Effect.fnUntraced(function* (compression, limit) {
    if (compression === "payload") return payload(limit)
    const zstd = compression === "zstd-stream" ? createZstd : undefined
    const stream = yield* acquire(() => (zstd ?? zlib.createInflate)())
    if (stream === undefined) return yield* portable.make(compression, limit)
    return zstd === undefined ? zlibStream(stream, limit) : zstdStream(stream, limit)
  })
}

/** The decompressors of `node:zlib`. */
export const layer: Layer.Layer<never> = Layer.sync(Decompression, () => (works() ? native : portable))
