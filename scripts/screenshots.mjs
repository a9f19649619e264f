// The pictures of the documentation: npm run screenshots
//
// Real bots on the served simulator, their dashboards in a real Chromium (CHROMIUM says where it is), and their live
// view as a terminal of 80×24 and 200×50 would show it.
import { createServer } from "node:http"
import { mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, References, Stream } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { chromium } from "playwright-core"
import { liveLines } from "../src/cli/LiveView.ts"
import { GatewayDashboard } from "../src/dashboard.ts"
import { Gateway, GatewayConfig, GatewayMonitor } from "../src/index.ts"
import { NodeGateway } from "../src/node.ts"
import { Act, DiscordSimulator, Fault } from "../src/testing.ts"

const folder = fileURLToPath(new URL("../../docs/images/", import.meta.url))
mkdirSync(folder, { recursive: true })

const guilds = 100

/** A bot of so many shards, busy, and its dashboard. */
const bot = (shards) => {
  const simulator = DiscordSimulator.serve({
    shards,
    maxConcurrency: shards,
    sessionStartLimit: { total: 2000 },
    guilds,
    heartbeatInterval: "10 seconds"
  })
  const gateway = Layer.unwrap(
    Effect.map(DiscordSimulator, ({ apiUrl, token }) =>
      NodeGateway.layer.pipe(Layer.provide(GatewayConfig.layer({ apiUrl, token, shards, compression: "none" })))
    )
  )
  return HttpRouter.serve(GatewayDashboard.layerWith({ path: "/" }), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 })),
    Layer.provideMerge(GatewayMonitor.layer),
    Layer.provideMerge(gateway),
    Layer.provideMerge(simulator)
  )
}

const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox"]
})

const picture = async (url, name, { colorScheme = "light", height = 860 } = {}) => {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height } })
  await page.goto(url)
  await page.locator("#grid button").first().waitFor()
  await page.waitForTimeout(1500)
  await page.screenshot({ path: `${folder}${name}.png` })
  await page.close()
}

const escapes = {
  1: "font-weight:bold",
  2: "color:#8a93a3",
  31: "color:#ff6b6b",
  32: "color:#5fd38d",
  33: "color:#f5c451",
  36: "color:#57c7d9"
}

/** A terminal's text as HTML. */
const terminal = (lines, columns) => {
  const body = lines
    .map((line) =>
      line
        .replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
        // oxlint-disable-next-line no-control-regex
        .replace(/\u001b\[(\d+)m/g, (_, code) => (code === "0" ? "</span>" : `<span style="${escapes[code]}">`))
    )
    .join("\n")
  return `<body style="margin:0;background:#15171d"><pre id="t" style="display:inline-block;margin:0;padding:14px 18px;
    color:#dfe3ea;font:13px/1.32 'DejaVu Sans Mono',monospace;width:${columns}ch">${body}</pre>`
}

const terminalPicture = (name, columns, rows) =>
  Effect.gen(function* () {
    const snapshot = yield* (yield* GatewayMonitor).snapshot
    const lines = liveLines(snapshot, { notes: [], screen: { columns, rows, colours: true } })
    yield* Effect.promise(async () => {
      const page = await browser.newPage({ viewport: { width: columns * 9 + 60, height: rows * 18 + 60 } })
      await page.setContent(terminal(lines, columns))
      await page.locator("#t").screenshot({ path: `${folder}${name}.png` })
      await page.close()
    })
  })

const run = (shards, shoot) =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    const { address } = yield* HttpServer.HttpServer
    yield* Effect.forkScoped(Stream.runDrain(gateway.payloads))
    const perSecond = shards === 1 ? 12 : shards === 16 ? 150 : 900
    yield* Effect.forkScoped(DiscordSimulator.traffic({ perSecond, guilds }))
    const ready = Effect.map(gateway.shards, (all) => all.length > 0 && all.every(({ state }) => state === "ready"))
    yield* ready.pipe(
      Effect.delay("200 millis"),
      Effect.repeat({ until: (isReady) => isReady }),
      Effect.timeout("1 minute")
    )
    yield* Effect.sleep("25 seconds")
    yield* shoot(`http://127.0.0.1:${address.port}/`)
  }).pipe(
    Effect.scoped,
    Effect.provide(bot(shards)),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.runPromise
  )

const both = (url, name, height) =>
  Effect.promise(async () => {
    for (const colorScheme of ["light", "dark"]) {
      await picture(url, `${name}-${colorScheme}`, { colorScheme, height })
      process.stdout.write(`${name}-${colorScheme}\n`)
    }
  })

/** Every connection is lost at once, and Discord takes a while to answer all of them again. */
const massReconnect = (refused) =>
  Effect.gen(function* () {
    const simulator = yield* DiscordSimulator
    yield* simulator.faults.inject(Fault.dial("refuse", { times: refused }))
    yield* simulator.act(Act.drop)
    yield* Effect.sleep("1800 millis")
  })

await run(1, (url) => both(url, "dashboard-1"))
await run(16, (url) =>
  Effect.gen(function* () {
    yield* both(url, "dashboard-16")
    yield* massReconnect(40)
    yield* terminalPicture("live-view-80x24", 80, 24)
  })
)
await run(1000, (url) =>
  Effect.gen(function* () {
    yield* both(url, "dashboard-1000", 1280)
    yield* massReconnect(2600)
    yield* terminalPicture("live-view-200x50", 200, 50)
    yield* both(url, "dashboard-1000-reconnect", 1280)
  })
)
await browser.close()
