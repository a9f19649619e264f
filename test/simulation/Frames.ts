/**
 * Reader of the simulator's frames, compressed or not, by other means than the client's.
 *
 * The simulator compresses by blocks that carry bytes as they are (`src/simulator/Compression.ts`), so nothing has to be
 * inflated.
 */

/** Reads the text of one connection's frames, in order; undefined where there is none. */
export type Reader = (frame: unknown) => string | undefined

const textDecoder = new TextDecoder()
const zlib = 0x78

/** Reads the frames of a connection that was dialled by this URL. */
export const reader = (url: string): Reader => {
  const isStream = new URL(url).searchParams.get("compress") === "zlib-stream"
  let isFirst = true
  return (frame) => {
    if (typeof frame === "string") return frame
    if (!(frame instanceof Uint8Array)) return undefined
    const hasHeader = isStream ? isFirst : frame[0] === zlib
    isFirst = false
    if (hasHeader) return textOfBlocks(frame.subarray(2))
    return isStream ? textOfBlocks(frame) : textDecoder.decode(frame)
  }
}

/** The bytes in stored blocks (RFC 1951, 3.2.4), up to an empty one. */
const textOfBlocks = (bytes: Uint8Array): string | undefined => {
  let text = ""
  const decoder = new TextDecoder()
  let at = 0
  while (at + 5 <= bytes.length) {
    const [type = 0, low = 0, high = 0, lowAgain = 0, highAgain = 0] = bytes.subarray(at, at + 5)
    const length = low | (high << 8)
    if (type > 1 || (lowAgain | (highAgain << 8)) !== (~length & 0xffff)) return undefined
    if (length === 0) return text + decoder.decode()
    text += decoder.decode(bytes.subarray(at + 5, at + 5 + length), { stream: true })
    at += 5 + length
  }
  return undefined
}
