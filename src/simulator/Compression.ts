/**
 * Encoders of Discord's three kinds of compression: valid zlib and zstd streams of uncompressed blocks.
 *
 * Both formats have blocks that carry bytes as they are ("stored" in deflate, "raw" in zstd). Every decoder reads them, and
 * writing them takes no library and no I/O.
 */

/** Encoder of payloads into frames. Each connection has its own: a stream spans all payloads. */
export type Encoder = (payload: string) => string | Uint8Array

const utf8 = new TextEncoder()

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

const split = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

const zlibHeader = Uint8Array.of(0x78, 0x01)

/** Stored block of deflate (RFC 1951, 3.2.4). An empty one marks a sync flush. */
const storedBlock = (bytes: Uint8Array, isLast: boolean): Uint8Array => {
  const { length } = bytes
  const header = Uint8Array.of(isLast ? 1 : 0, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255)
  return concat([header, bytes])
}

const storedBlocks = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  split(bytes, 65_535).map((part) => storedBlock(part, false))

/** `compress=zlib-stream`: one zlib stream per connection, flushed after each payload. */
export const zlibStream = (): Encoder => {
  let start: ReadonlyArray<Uint8Array> = [zlibHeader]
  return (payload) => {
    const frame = concat([...start, ...storedBlocks(utf8.encode(payload)), storedBlock(new Uint8Array(0), false)])
    start = []
    return frame
  }
}

/** Magic number and frame header (RFC 8878, 3.1.1.1): no checksum, no content size, a window of 2 MiB. */
const zstdHeader = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58)

/** `compress=zstd-stream`: one zstd frame per connection, which never ends. */
export const zstdStream = (): Encoder => {
  let start: ReadonlyArray<Uint8Array> = [zstdHeader]
  return (payload) => {
    const blocks = split(utf8.encode(payload), 131_072).map((part) => {
      const header = part.length << 3
      return concat([Uint8Array.of(header & 255, (header >> 8) & 255, header >> 16), part])
    })
    const frame = concat([...start, ...blocks])
    start = []
    return frame
  }
}

const adler32 = (bytes: Uint8Array): Uint8Array => {
  let a = 1
  let b = 0
  for (const byte of bytes) {
    a = (a + byte) % 65_521
    b = (b + a) % 65_521
  }
  return Uint8Array.of(b >> 8, b & 255, a >> 8, a & 255)
}

/** IDENTIFY's `compress: true`: payloads of more than 1 KiB are zlib streams of their own, smaller ones plain text. */
export const largePayloads = (): Encoder => (payload) => {
  if (payload.length <= 1024) return payload
  const bytes = utf8.encode(payload)
  return concat([zlibHeader, ...storedBlocks(bytes), storedBlock(new Uint8Array(0), true), adler32(bytes)])
}

/** No compression. */
export const plain = (): Encoder => (payload) => payload

/** Encoder for the `compress` parameter of a connection's URL; `undefined` for an unknown one. */
export const encoderOf = (compress: string | null): Encoder | undefined =>
  compress === null
    ? plain()
    : compress === "zlib-stream"
      ? zlibStream()
      : compress === "zstd-stream"
        ? zstdStream()
        : undefined
