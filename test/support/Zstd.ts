/**
 * Whether this Node.js has zstd. Tests that need it are skipped without it, and say so.
 */
import * as zlib from "node:zlib"

/** zstd came to Node.js with 22.15. */
export const hasZstd = "createZstdCompress" in zlib
if (!hasZstd) {
  process.stderr.write(`skipped: the tests that need zstd, which Node.js ${process.versions.node} does not have\n`)
}
