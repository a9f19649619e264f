/**
 * How what Discord sends is compressed.
 *
 * Source: Discord, "Encoding and Compression".
 */

/** Compression of a whole connection: one context, asked for in the URL. */
export type TransportCompression = "zlib-stream" | "zstd-stream"

/**
 * - `zlib-stream`, `zstd-stream`: everything, in one context per connection
 * - `payload`: some payloads, each by itself (zlib)
 * - `none`
 */
export type Compression = TransportCompression | "payload" | "none"
