/**
 * Compression of inbound payloads.
 *
 * Discord, "Encoding and Compression": https://discord.com/developers/docs/events/gateway#encoding-and-compression
 */

/**
 * Transport compression: one context for the whole connection, requested in the URL.
 *
 * @category models
 * @since 0.1.0
 */
export type TransportCompression = "zlib-stream" | "zstd-stream"

/**
 * Compression of a connection:
 *
 * - `zlib-stream`, `zstd-stream`: all frames, in one context per connection
 * - `payload`: some payloads, each in its own zlib stream
 * - `none`: no compression
 *
 * @category models
 * @since 0.1.0
 */
export type GatewayCompression = TransportCompression | "payload" | "none"
