/**
 * A program bundled for browsers, as a user's bundler does it.
 */
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

const source = (entry: string) => fileURLToPath(new URL(`../../src/${entry}.ts`, import.meta.url))

/** Bundles a program, given as text. */
export const bundle = async (program: string) => {
  const entry = "\0program"
  const build = await rolldown({
    input: "program",
    platform: "browser",
    resolve: { alias: { "disruption-gateway": source("index") } },
    plugins: [
      {
        name: "program",
        resolveId: (id) => (id === "program" ? entry : undefined),
        load: (id) => (id === entry ? program : undefined)
      }
    ],
    // Modules that a browser does not have stay in the output, for the test to find.
    external: /^node:/,
    logLevel: "silent"
  })
  const { output } = await build.generate({ format: "esm", minify: true })
  await build.close()
  const code = output.flatMap((chunk) => (chunk.type === "chunk" ? [chunk.code] : [])).join("\n")
  const modules = output.flatMap((chunk) => (chunk.type === "chunk" ? Object.keys(chunk.modules) : []))
  return { code, modules, size: code.length, gzipped: gzipSync(code).length }
}
