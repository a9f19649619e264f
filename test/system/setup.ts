/**
 * Builds what the system tests run, once for all of them: the package, the examples, and the programs of the tests.
 */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

export const setup = () => {
  for (const script of ["build", "build:examples", "build:test"]) {
    execFileSync("npm", ["run", "--silent", script], { cwd: root, stdio: ["ignore", "ignore", "inherit"] })
  }
}
