import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { patience } from "../support/Patience.ts"
import * as DashboardBot from "../support/DashboardBot.ts"

/** The status of a path, asked for under a name. `fetch` would not let the `Host` be chosen. */
const statusUnder = (host: string, path: string) =>
  Effect.flatMap(DashboardBot.origin, (origin) =>
    Effect.callback<number | undefined>((resume) => {
      const request = http.get(`${origin}${path}`, { headers: { host } }, (response) => {
        resume(Effect.succeed(response.statusCode))
        response.destroy()
      })
      request.on("error", () => undefined)
    })
  )

const get = (path: string, init: RequestInit = {}) =>
  Effect.flatMap(DashboardBot.origin, (origin) =>
    Effect.promise(() => fetch(`${origin}${path}`, { redirect: "manual", ...init }))
  )

/** The server-sent events of a path, until one of them pleases. */
const readEvents = (path: string, enough: (events: string) => boolean) =>
  Effect.flatMap(DashboardBot.origin, (origin) =>
    Effect.promise(async (signal) => {
      const answer = await fetch(`${origin}${path}`, { signal })
      let text = ""
      const decoder = new TextDecoder()
      for await (const chunk of answer.body ?? []) {
        text += decoder.decode(chunk, { stream: true })
        if (enough(text)) break
      }
      return { answer, text }
    })
  ).pipe(Effect.timeout(patience))

describe("the dashboard's routes", () => {
  it.live("serve the page and what it loads, and let nothing else be loaded", () =>
    Effect.gen(function* () {
      const page = yield* get("/gateway/")
      assert.strictEqual(page.status, 200)
      assert.include(page.headers.get("content-security-policy") ?? "", "default-src 'none'")
      assert.strictEqual(page.headers.get("x-content-type-options"), "nosniff")
      const html = yield* Effect.promise(() => page.text())
      const loaded = [...html.matchAll(/(?:href|src)="(?!data:)([^"]+)"/g)].map(([, path]) => path)
      assert.deepStrictEqual(loaded, ["page.css", "page.js"])
      for (const path of loaded) assert.strictEqual((yield* get(`/gateway/${path}`)).status, 200)
      const moved = yield* get("/gateway")
      assert.strictEqual(moved.headers.get("location"), "gateway/")
    }).pipe(Effect.provide(DashboardBot.layer(3)))
  )

  it.live("tell every second how the shards are doing, and neither the token nor a session", () =>
    Effect.gen(function* () {
      const { token } = yield* DiscordSimulator
      const { answer, text } = yield* readEvents(
        "/gateway/events",
        (text) => (text.match(/event: update/g) ?? []).length >= 3 && text.includes("Ready")
      )
      assert.strictEqual(answer.headers.get("content-type"), "text/event-stream")
      assert.include(text, "event: history")
      const last = /event: update\ndata: (.*)\n/g
      const updates = [...text.matchAll(last)].map(([, data = ""]): unknown => JSON.parse(data))
      assert.isAtLeast(updates.length, 3)
      assert.include(JSON.stringify(updates.at(-1)), '"states"')
      assert.notInclude(text, Redacted.value(token))
      const simulator = yield* DiscordSimulator
      for (const { id } of yield* simulator.sessions) assert.notInclude(text, id)
    }).pipe(Effect.provide(DashboardBot.layer(3)))
  )

  it.live("only read", () =>
    Effect.gen(function* () {
      for (const method of ["POST", "PUT", "DELETE"]) {
        assert.strictEqual((yield* get("/gateway/", { method })).status, 404)
        assert.strictEqual((yield* get("/gateway/events", { method })).status, 404)
      }
    }).pipe(Effect.provide(DashboardBot.layer(3)))
  )

  it.live("are served under the loopback's names and addresses, and under no name that may be another's", () =>
    Effect.gen(function* () {
      const paths = ["/gateway/", "/gateway/page.js", "/gateway/events"]
      for (const host of [
        "127.0.0.1:8080",
        "localhost",
        "LOCALHOST:1",
        "bot.localhost",
        "[::1]:80",
        "192.168.1.5:8080"
      ]) {
        for (const path of paths) assert.strictEqual(yield* statusUnder(host, path), 200, `${host}${path}`)
      }
      for (const host of ["evil.example", "evil.example:8080", "localhost.evil.example", "1.2.3.4.evil.example", "x"]) {
        for (const path of paths) assert.strictEqual(yield* statusUnder(host, path), 421, `${host}${path}`)
      }
    }).pipe(Effect.provide(DashboardBot.layer(1)))
  )

  it.live("are served under the names that the program lists", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* statusUnder("status.example.com:8443", "/gateway/"), 200)
      assert.strictEqual(yield* statusUnder("Status.Example.Com", "/gateway/"), 200)
      assert.strictEqual(yield* statusUnder("example.com", "/gateway/"), 421)
      assert.strictEqual(yield* statusUnder("localhost", "/gateway/"), 200)
    }).pipe(Effect.provide(DashboardBot.layer(1, { hosts: ["status.example.com"] })))
  )

  it.live("can be mounted elsewhere, under another title that is no markup", () =>
    Effect.gen(function* () {
      const page = yield* get("/")
      const html = yield* Effect.promise(() => page.text())
      assert.include(html, "&#60;b&#62;My bot&#60;/b&#62;")
      assert.notInclude(html, "<b>My bot")
      assert.strictEqual((yield* get("/gateway/")).status, 404)
    }).pipe(Effect.provide(DashboardBot.layer(3, { path: "/", title: "<b>My bot</b>" })))
  )
})
