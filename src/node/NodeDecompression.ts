/**
 * Inflates with `node:zlib`, synchronously.
 *
 * Node documents no synchronous inflating of a stream. `_processChunk` has done it since Node 0.12, but closes the handle
 * behind itself, which is kept from doing so here. Whether it works is tried out once at start; where it does not, fflate
 * takes its place, at several times the cost. Asynchronous inflating costs a trip through the thread pool for every payload.
 */
import * as zlib from "node:zlib"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { DecompressionFailed } from "../schema/GatewayError.ts"
import {
  Decompression,
  type Decompressor,
  type Decompressors,
  joinParts,
  portable,
  watchPayloadEnds
} from "../services/Decompression.ts"

/** What is used of a stream of `node:zlib` beyond what is documented. */
interface SyncStream {
  readonly close: () => void
  readonly on: (event: "error", listener: () => void) => unknown
  readonly _processChunk: (chunk: Uint8Array, flushFlag: number) => Uint8Array
  _handle: { close?: () => void } | null
}

const isSyncStream = (stream: object): stream is SyncStream =>
  Predicate.hasProperty(stream, "_processChunk") &&
  Predicate.isFunction(stream._processChunk) &&
  Predicate.hasProperty(stream, "_handle") &&
  Predicate.isObject(stream._handle)

/** Large enough that most payloads fit into one, so that nothing is put together. */
const chunkSize = 64 * 1024

const keepOpen = () => {}

/** Inflates chunk after chunk with one context. */
const synchronous = (stream: SyncStream, flushFlag: number, limit: number) => {
  const handle = stream._handle
  // The stream itself also tells of an error that `_processChunk` has thrown.
  stream.on("error", keepOpen)
  return (chunk: Uint8Array): Result.Result<Uint8Array, DecompressionFailed> => {
    if (handle !== null) handle.close = keepOpen
    const inflated = Result.try({
      try: () => stream._processChunk(chunk, flushFlag),
      catch: (cause) =>
        new DecompressionFailed({
          description:
            Predicate.hasProperty(cause, "code") && cause.code === "ERR_BUFFER_TOO_LARGE"
              ? `a payload is over the limit of ${limit} bytes`
              : "the stream is corrupt"
        })
    })
    stream._handle = handle
    return inflated
  }
}

const release = (stream: SyncStream) => {
  if (stream._handle !== null) delete stream._handle.close
  stream.close()
}

const acquire = (create: (options: { chunkSize: number; maxOutputLength: number }) => object, limit: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const stream = create({ chunkSize, maxOutputLength: limit })
      return isSyncStream(stream) ? stream : undefined
    }),
    (stream) => Effect.sync(() => (stream === undefined ? undefined : release(stream)))
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
        return Result.fail(new DecompressionFailed({ description: `a payload is over the limit of ${limit} bytes` }))
      }
      // The next chunk is inflated into the same memory.
      parts.push(new Uint8Array(part))
      if (!isComplete) return Result.succeed(undefined)
      const whole = joinParts(parts)
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

/** Whether synchronous inflating works here: the same payload twice in one context. */
const works = (): boolean => {
  const stream: object = zlib.createInflate({ chunkSize })
  if (!isSyncStream(stream)) return false
  const inflate = synchronous(stream, zlib.constants.Z_SYNC_FLUSH, chunkSize)
  const texts = ["789caa56ca2f50b23234ac05000000ffff", "aa863100000000ffff"].map((hex) =>
    Result.match(inflate(Buffer.from(hex, "hex")), { onFailure: () => "", onSuccess: String })
  )
  release(stream)
  return texts.every((text) => text === '{"op":11}')
}

const native: Decompressors = {
  transports: createZstd === undefined ? ["zlib-stream"] : ["zstd-stream", "zlib-stream"],
  make: Effect.fnUntraced(function* (compression, limit) {
    if (compression === "payload") return payload(limit)
    const zstd = compression === "zstd-stream" ? createZstd : undefined
    const stream = yield* acquire(zstd ?? zlib.createInflate, limit)
    if (stream === undefined) return yield* portable.make(compression, limit)
    return zstd === undefined ? zlibStream(stream, limit) : zstdStream(stream, limit)
  })
}

/** The decompressors of `node:zlib`. */
export const layer: Layer.Layer<never> = Layer.sync(Decompression, () => (works() ? native : portable))
