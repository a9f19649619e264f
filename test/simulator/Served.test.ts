import { request } from "node:http"
import type { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { Act, DiscordSimulator, Fault } from "disruption-gateway/testing"
import { WebSocket } from "ws"
import { until, untilTrue } from "../support/Patience.ts"
import { RawClient } from "../support/RawClient.ts"

const query = "?v=10&encoding=json"

const dial = (path = "") =>
  Effect.gen(function* () {
    const { gatewayUrl } = yield* DiscordSimulator
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => new WebSocket(`${gatewayUrl}${path}/${query}`)),
      (socket) => Effect.sync(() => socket.terminate())
    )
    return new RawClient(socket as never)
  })

/** A client that was greeted: whatever was to come to others before has come by then. */
const greeted = Effect.gen(function* () {
  const client = yield* dial()
  yield* untilTrue(() => client.ops.includes(10))
  return client
})

const connected = Effect.gen(function* () {
  const client = yield* greeted
  client.identify()
  yield* untilTrue(() => client.events.includes("READY"))
  return client
})

/** A socket after the upgrade, and what had come with it. It answers nothing. */
const upgraded = Effect.gen(function* () {
  const { gatewayUrl } = yield* DiscordSimulator
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": Buffer.alloc(16).toString("base64"),
    "sec-websocket-version": "13"
  }
  return yield* Effect.acquireRelease(
    Effect.callback<{ readonly socket: Duplex; readonly head: Buffer }>((resume) => {
      const dialling = request(`${gatewayUrl.replace(/^ws/, "http")}/${query}`, { headers })
      dialling.once("upgrade", (_, socket, head) => resume(Effect.succeed({ socket, head })))
      dialling.end()
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )
})

const get = (path: string) =>
  Effect.gen(function* () {
    const { apiUrl } = yield* DiscordSimulator
    return yield* Effect.tryPromise(async () => {
      const response = await fetch(`${apiUrl}${path}`, { headers: { authorization: "Bot simulated-token" } })
      return { status: response.status, text: await response.text() }
    })
  })

const served = Effect.provide(DiscordSimulator.serve())

describe("the served simulator", () => {
  it.live("answers REST requests with its own URL", () =>
    Effect.gen(function* () {
      const { gatewayUrl } = yield* DiscordSimulator
      const { status, text } = yield* get("/gateway/bot")
      assert.strictEqual(status, 200)
      assert.deepInclude(JSON.parse(text), { url: gatewayUrl, shards: 1 })
      assert.match(gatewayUrl, /^ws:\/\/127\.0\.0\.1:\d+$/)
    }).pipe(served)
  )

  it.live("starts, loses and resumes a session over real sockets", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected
      assert.strictEqual(client.event("READY")["resume_gateway_url"], `${simulator.gatewayUrl}/resume`)
      yield* simulator.drop()
      yield* untilTrue(() => client.closed?.code === 1006)
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed" })
      const again = yield* dial("/resume")
      yield* untilTrue(() => again.ops.includes(10))
      again.resume(client.sessionId, 1)
      yield* untilTrue(() => again.events.includes("RESUMED"))
      assert.deepStrictEqual(again.events, ["MESSAGE_CREATE", "RESUMED"])
      assert.deepStrictEqual(
        (yield* simulator.connections).map(({ host }) => host),
        ["main", "resume"]
      )
      again.send(1)
      yield* untilTrue(() => again.ops.includes(11))
      again.socket.close(1000)
      yield* untilTrue(() => again.closed?.code === 1000)
      assert.isFalse((yield* simulator.sessions)[0]?.alive)
    }).pipe(Effect.scoped, served)
  )

  it.live("closes with codes, with and without a close frame's code", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const first = yield* dial()
      yield* untilTrue(() => first.ops.includes(10))
      first.send(99)
      yield* untilTrue(() => first.closed?.code === 4001)
      const next = yield* dial()
      yield* untilTrue(() => next.ops.includes(10))
      yield* simulator.close()
      yield* untilTrue(() => next.closed?.code === 1005)
    }).pipe(Effect.scoped, served)
  )

  it.live("refuses dials, answers them with a status, or never", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(
        Fault.dial("refuse", { times: 1 }),
        Fault.dial({ status: 503 }, { times: 1 }),
        Fault.dial("ignore", { times: 1 })
      )
      for (const _ of ["refuse", "status"]) {
        const refused = yield* dial()
        yield* untilTrue(() => refused.closed !== undefined)
        assert.deepStrictEqual(refused.happened, ["error", "close"])
      }
      const ignored = yield* dial()
      yield* greeted
      assert.deepStrictEqual(ignored.happened, [])
      assert.deepStrictEqual(
        (yield* simulator.dials).map(({ outcome }) => outcome),
        ["refused", 503, "ignored", "accepted"]
      )
    }).pipe(Effect.scoped, served)
  )

  it.live("goes mute: it reads nothing, says nothing and answers no close frame", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected
      yield* simulator.mute()
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      client.send(1)
      yield* greeted
      assert.deepStrictEqual(client.ops, [10, 0])
      yield* simulator.unmute()
      yield* untilTrue(() => client.ops.length === 4)
      assert.sameMembers(client.ops.slice(2), [0, 11])
      yield* simulator.mute()
      client.socket.close(4000)
      yield* greeted
      assert.notInclude(client.happened, "close")
    }).pipe(Effect.scoped, served)
  )

  it.live("drops a connection in place of HELLO, and sends garbage", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.hello(Act.drop, { times: 1 }))
      const dropped = yield* dial()
      yield* untilTrue(() => dropped.closed?.code === 1006)
      const client = yield* dial()
      yield* untilTrue(() => client.ops.includes(10))
      yield* simulator.sendRaw("{")
      yield* untilTrue(() => client.frames.length === 2)
      assert.strictEqual(String(client.frames[1]), "{")
    }).pipe(Effect.scoped, served)
  )

  it.live("lets the REST API fail", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.http({ status: 500 }, { times: 1 }), Fault.http("unreachable", { times: 1 }))
      assert.strictEqual((yield* get("/gateway")).status, 500)
      assert.isTrue(Result.isFailure(yield* Effect.result(get("/gateway"))))
      assert.strictEqual((yield* get("/gateway")).status, 200)
    }).pipe(served)
  )

  it.live("says so when the port is taken", () =>
    Effect.gen(function* () {
      const { gatewayUrl } = yield* DiscordSimulator
      const port = Number(new URL(gatewayUrl).port)
      const result = yield* Effect.result(Effect.scoped(Layer.build(Layer.fresh(DiscordSimulator.serve({ port })))))
      assert.strictEqual(Result.isFailure(result) && result.failure._tag, "PortUnavailable")
      assert.strictEqual(
        Result.isFailure(result) && result.failure.message,
        `Port ${port} of 127.0.0.1 cannot be used. Choose another one, or 0 to take any free port.`
      )
    }).pipe(served)
  )

  it.live("gives the port back and destroys all connections when its scope closes, mute ones too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const simulator = Context.get(yield* Layer.buildWithScope(DiscordSimulator.serve(), scope), DiscordSimulator)
      const here = Effect.provideService(DiscordSimulator, simulator)
      const client = yield* here(connected)
      yield* simulator.mute()
      const ignored = yield* Effect.andThen(simulator.faults.inject(Fault.dial("ignore")), here(dial()))
      yield* until(simulator.dials, (dials) => dials.length === 2)
      yield* Scope.close(scope, Exit.void)
      yield* untilTrue(() => client.closed?.code === 1006 && ignored.closed?.code === 1006)
      const port = Number(new URL(simulator.gatewayUrl).port)
      yield* Effect.scoped(Layer.build(DiscordSimulator.serve({ port })))
    }).pipe(Effect.scoped)
  )

  it.live("sends HELLO some time after the upgrade: several libraries lose what comes with it", () =>
    Effect.gen(function* () {
      const dials = yield* Effect.forEach(Array.from({ length: 10 }), () => upgraded)
      for (const { socket } of dials) {
        let bytes = 0
        socket.on("data", (data: Buffer) => (bytes += data.length))
        yield* untilTrue(() => bytes > 0)
      }
      // A computer that stands still for a moment may deliver both at once.
      assert.isAtMost(dials.filter(({ head }) => head.length > 0).length, 3)
    }).pipe(served)
  )

  it.live("ends the TCP connection behind its close frame, though the client does not answer", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const { socket } = yield* upgraded
      let last: Uint8Array = new Uint8Array()
      let isOver = false
      socket.on("data", (data: Uint8Array) => (last = data)).once("end", () => (isOver = true))
      yield* until(simulator.act(Act.close(4000, "Unknown error.")), (reached) => reached === 1)
      const before = performance.now()
      yield* untilTrue(() => isOver)
      // The package `ws` alone would wait for 30 seconds.
      assert.isBelow(performance.now() - before, 25_000)
      assert.deepStrictEqual([...last.subarray(-18, -14)], [0x88, 16, 4000 >> 8, 4000 & 255])
      assert.strictEqual(new TextDecoder().decode(last.subarray(-14)), "Unknown error.")
    }).pipe(served)
  )
})
