/**
 * A real Chromium, if there is one: Debian's package, or what CHROMIUM names. Tests that need it are skipped without it,
 * and say so; with REQUIRE_SERVICES set (as CI does) that fails them.
 */
import { existsSync } from "node:fs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { patience } from "./Patience.ts"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

const available = () => {
  if (process.env["REQUIRE_SERVICES"] !== undefined || existsSync(executablePath)) return true
  process.stderr.write(`skipped: the tests that need Chromium, which is not at ${executablePath}\n`)
  return false
}

export const hasChromium = available()

/** A page that fails the test with whatever the browser complains of. */
export const openPage = (url: string, options: BrowserContextOptions = {}) =>
  Effect.gen(function* () {
    const browser = yield* Effect.acquireRelease(
      Effect.promise(() => chromium.launch({ executablePath, args: ["--no-sandbox"] })),
      (browser) => Effect.promise(() => browser.close())
    )
    const complaints: Array<string> = []
    const page: Page = yield* Effect.promise(() => browser.newPage(options))
    page.setDefaultTimeout(Duration.toMillis(patience))
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text())
    })
    yield* Effect.promise(() => page.goto(url))
    return { page, complaints }
  })
