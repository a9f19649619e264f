// A stream of node:zlib, used synchronously: a chunk in, what it gives out. Node has no public way to do so with a
// context that lives on; this is the one that cloudstorm uses. Node closes the engine after each chunk, or tries to.

const nothing = () => {}

export const synchronous = (stream, flush) => {
  const handle = stream._handle
  const close = handle.close
  return (chunk) => {
    handle.close = nothing
    try {
      return stream._processChunk(chunk, flush)
    } finally {
      stream._handle = handle
      handle.close = close
      stream.removeAllListeners("error")
    }
  }
}
