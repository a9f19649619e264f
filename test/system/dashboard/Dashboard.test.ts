import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import { RelayBroker } from "../../../src/relay/RelayBroker.ts"
import * as RelayGateway from "../../../src/relay/RelayGateway.ts"
import * as Act from "../../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../../src/simulator/Fault.ts"
import { hasChromium, openPage } from "../../support/Browser.ts"
import * as DashboardBot from "../../support/DashboardBot.ts"

const url = Effect.map(DashboardBot.origin, (origin) => `${origin}/gateway`)

describe.skipIf(!hasChromium)("the dashboard in a browser", () => {
  it.live("shows every shard, a lost connection, and that it is back", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const simulator = yield* DiscordSimulator
      yield* Effect.forkScoped(Stream.runDrain(gateway.payloads))
      const { complaints, page } = yield* openPage(yield* url)
      const says = (selector: string, text: string | RegExp) =>
        Effect.promise(() => page.locator(selector, { hasText: text }).first().waitFor())
      yield* says("#headline", "All 16 shards are ready")
      assert.strictEqual(yield* Effect.promise(() => page.locator("#grid button").count()), 16)
      yield* says("#budget", "984 of 1,000")

      // The server's words are shown as they are, not run.
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 3 }))
      yield* simulator.act(Act.close(4000, "<img src=x onerror=alert(1)>"), { shard: 3 })
      yield* says("#changes li", "<img src=x onerror=alert(1)>")
      assert.strictEqual(yield* Effect.promise(() => page.locator("#changes img").count()), 0)
      yield* says("#headline", "15 of 16 shards ready")
      yield* says("#legend li", "1 waiting to reconnect")
      yield* says("#headline", "All 16 shards are ready")
      yield* says("#changes li", "Resumed session")

      yield* Effect.promise(() => page.locator("#grid button").first().focus())
      yield* Effect.promise(() => page.keyboard.press("ArrowRight"))
      yield* says("#shard", /^Shard 1: ready/)
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.scoped, Effect.provide(DashboardBot.layer(16)))
  )

  it.live("is dark or light as the viewer likes it", () =>
    Effect.gen(function* () {
      const { page } = yield* openPage(yield* url, { colorScheme: "dark" })
      const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor")
      const dark = yield* Effect.promise(ground)
      yield* Effect.promise(() => page.locator("#theme").click())
      const light = yield* Effect.promise(ground)
      assert.deepStrictEqual([dark, light], ["rgb(20, 22, 28)", "rgb(244, 245, 248)"])
      yield* Effect.promise(() => page.reload())
      assert.strictEqual(yield* Effect.promise(ground), light)
    }).pipe(Effect.scoped, Effect.provide(DashboardBot.layer(1)))
  )

  it.live("says when the bot cannot be reached any more", () =>
    Effect.gen(function* () {
      const origin = yield* url
      const { page } = yield* openPage(origin)
      yield* Effect.promise(() => page.locator("#headline.good").waitFor())
      yield* Effect.promise(() => page.context().setOffline(true))
      yield* Effect.promise(() => page.route("**/events", (route) => route.abort()))
      yield* Effect.promise(() =>
        page.evaluate("events.close(); const lost = new Event('error'); events.dispatchEvent(lost)")
      )
      yield* Effect.promise(() => page.locator("#connection:not([hidden])").waitFor())
    }).pipe(Effect.scoped, Effect.provide(DashboardBot.layer(1)))
  )

  it.live("shows what a relay's broker holds, and that the relay waits for it", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const { complaints, page } = yield* openPage(yield* url, { colorScheme: "dark" })
      const says = (selector: string, text: string | RegExp) =>
        Effect.promise(() => page.locator(selector, { hasText: text }).first().waitFor())
      let isFull = false
      const dispatch = Effect.suspend(() =>
        isFull ? Effect.void : simulator.dispatch("MESSAGE_CREATE", { id: "1", guild_id: "41" })
      )
      yield* says("#relay-title", "Relay my-bot")
      yield* says("#depth", /^1$/)
      yield* says("#consumers-note", "nobody handles what waits")
      yield* Effect.forkScoped(Effect.repeat(dispatch, Schedule.spaced("20 millis")))
      yield* says("#held", /^The broker holds \d+ dispatches, as many as it may/)
      isFull = true
      yield* says("#detail", "the relay waits for the broker")
      yield* says("#age", /^the oldest for \d+ s/)
      const broker = yield* RelayBroker
      yield* broker.setAside({ id: ":0:1", name: "MESSAGE_CREATE", text: "{}", cause: "as asked", attempts: 1 })
      yield* says("#dead", /^1$/)

      const consumer = yield* Layer.build(Layer.fresh(RelayGateway.layer()))
      const handling = Gateway.use((gateway) => gateway.handle({ MESSAGE_CREATE: () => Effect.void }))
      yield* Effect.forkScoped(Effect.provideContext(handling, consumer))
      yield* says("#depth", /^0$/)
      yield* says("#age", "nothing waits in the broker")
      yield* says("#consumers", /^1$/)
      yield* Effect.promise(() => page.locator("#held").waitFor({ state: "hidden" }))
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.scoped, Effect.provide(DashboardBot.relay({ name: "my-bot", capacity: 10 })))
  )

  it.live("shows nothing of a relay where there is none", () =>
    Effect.gen(function* () {
      const { page } = yield* openPage(yield* url)
      yield* Effect.promise(() => page.locator("#headline.good").waitFor())
      assert.isFalse(yield* Effect.promise(() => page.locator("#relay").isVisible()))
    }).pipe(Effect.scoped, Effect.provide(DashboardBot.layer(1)))
  )
})
