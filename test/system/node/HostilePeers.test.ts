import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import * as NodeGateway from "../../../src/node/NodeGateway.ts"
import { ShardId } from "../../../src/schema/ShardId.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../../src/services/GatewayConnection.ts"
import * as CommandLine from "../../support/CommandLine.ts"
import * as HostileGateway from "../../support/HostileGateway.ts"
import type { Process } from "../../support/Process.ts"
import * as SilentPeer from "../../support/SilentPeer.ts"
import { until, untilTrue } from "../../support/Patience.ts"

/** The most memory that a process has had, in bytes. */
const peakOf = ({ pid }: Process): number =>
  1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN)

const isMeasured = process.platform === "linux"

const run = (gateway: HostileGateway.HostileGateway, ...args: ReadonlyArray<string>) =>
  CommandLine.start(["run", "--json", "--events", "READY,MESSAGE_CREATE", ...args], { env: gateway.environment })

/** So much happens in five seconds: 500 messages a second, and between them `requests` of op 1. */
const traffic = (connection: HostileGateway.Connection, requests: number) => {
  let s = 1
  return Effect.sync(() => {
    for (let n = 0; n < 50; n++) {
      connection.send(HostileGateway.dispatch("MESSAGE_CREATE", ++s, { content: "x".repeat(1000) }))
    }
    for (let n = 0; n < requests / 50; n++) connection.send({ op: 1, d: null })
  }).pipe(Effect.andThen(Effect.sleep("100 millis")), Effect.repeat({ times: 49 }))
}

/** The peak of a bot's memory over these five seconds, and its connection. */
const peakOver = (options: { readonly requests: number; readonly readsNothing?: boolean }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const gateway = yield* HostileGateway.serve()
      const bot = yield* run(gateway)
      yield* bot.says('"t":"READY"')
      const [connection] = gateway.connections
      if (connection === undefined) return assert.fail("the bot has no connection")
      if (options.readsNothing === true) connection.socket.pause()
      yield* traffic(connection, options.requests)
      yield* bot.says('"s":2501,')
      const peak = peakOf(bot)
      connection.socket.resume()
      yield* bot.end("SIGINT")
      // The close frame is the last one, so every other one has come.
      yield* untilTrue(() => connection.code !== undefined)
      return { peak, frames: connection.frames.length }
    })
  )

describe("a peer that floods a bot with requests for heartbeats", () => {
  it.live("gets no more than 120 frames in a minute, and takes no memory", () =>
    Effect.gen(function* () {
      const [usual, flooded, deaf] = yield* Effect.all(
        [peakOver({ requests: 0 }), peakOver({ requests: 50_000 }), peakOver({ requests: 50_000, readsNothing: true })],
        { concurrency: "unbounded" }
      )
      for (const { frames } of [flooded, deaf]) {
        assert.isAtLeast(frames, 2, "it is answered")
        assert.isAtMost(frames, 120)
      }
      if (!isMeasured) return
      assert.isBelow(flooded.peak / usual.peak, 1.5, "peak memory, to that of a run without the flood")
      assert.isBelow(deaf.peak / usual.peak, 1.5, "the same, where the peer reads nothing")
    })
  )
})

describe("an answer of GET /gateway/bot that is absurd", () => {
  it.live("without end is cut off, told, and takes no memory", () =>
    Effect.gen(function* () {
      let sent = 0
      const chunk = Buffer.alloc(64 * 1024, " ")
      const gateway = yield* HostileGateway.serve({
        onDirectory: (response) => {
          const write = (): void => {
            if (response.destroyed) return
            sent += chunk.length
            if (response.write(chunk)) setImmediate(write)
            else response.once("drain", write)
          }
          write()
        }
      })
      const bot = yield* run(gateway)
      yield* bot.says("GET /gateway/bot: malformed answer: it is over 65536 bytes")
      const before = peakOf(bot)
      yield* untilTrue(() => gateway.requests >= 3)
      if (isMeasured) assert.isBelow(peakOf(bot) / before, 1.5)
      const { code } = yield* bot.end("SIGINT")
      assert.strictEqual(code, 0)
      // What the sockets of both ends hold was written, too.
      assert.isBelow(sent, gateway.requests * 16 * 1024 * 1024)
    })
  )

  for (const shards of [1e12, 5e7]) {
    it.live(`with ${shards} shards is refused, also where the bot runs as many as Discord says`, () =>
      Effect.gen(function* () {
        const gateway = yield* HostileGateway.serve({
          onDirectory: (response, url) => response.end(HostileGateway.directory(url, { shards }))
        })
        const bot = yield* run(gateway, "--shards", "auto")
        yield* bot.says("GET /gateway/bot: malformed answer")
        const { code, stderr } = yield* bot.end("SIGINT")
        assert.strictEqual(code, 0)
        assert.notInclude(stderr, "A bug")
      })
    )
  }
})

describe("a peer that acknowledges heartbeats, and answers neither IDENTIFY nor RESUME", () => {
  it.live("is given up, and the next connection comes to a session", () =>
    Effect.gen(function* () {
      let unanswered = 1
      const answer = (connection: HostileGateway.Connection, payload: object) => {
        if (unanswered-- > 0) return
        connection.send(payload)
      }
      const gateway = yield* HostileGateway.serve({
        onIdentify: (connection) => answer(connection, HostileGateway.ready(gateway.url)),
        onResume: (connection) => answer(connection, HostileGateway.dispatch("RESUMED", 2))
      })
      const reasons: Array<string> = []
      yield* Effect.gen(function* () {
        const bot = yield* Gateway
        yield* Effect.forkScoped(
          Stream.runForEach(bot.changes, (event) =>
            Effect.sync(() => event._tag === "Disconnected" && reasons.push(event.reason._tag))
          )
        )
        const state = Effect.map(bot.shards, ([shard]) => shard?.state)
        yield* until(state, (state) => state === "ready")
        unanswered = 1
        gateway.connections.at(-1)?.send({ op: 7, d: null })
        yield* until(
          Effect.sync(() => gateway.frames.filter(({ op }) => op === 6).length),
          (resumes) => resumes === 2
        )
        yield* until(state, (state) => state === "ready")
      }).pipe(
        Effect.provide(
          NodeGateway.layer.pipe(
            Layer.provide(
              GatewayConfig.layer({
                token: "hostile-token",
                gatewayUrl: gateway.url,
                compression: "none",
                reconnect: Schedule.spaced("10 millis"),
                timeouts: { ready: "200 millis", resumed: "200 millis" }
              })
            )
          )
        ),
        Effect.scoped
      )
      assert.deepStrictEqual(reasons, ["ReadyTimeout", "ReconnectRequested", "ResumedTimeout"])
      assert.deepStrictEqual(
        gateway.frames.filter(({ op }) => op !== 1).map(({ op }) => op),
        [2, 2, 6, 6]
      )
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})

describe("a peer that acknowledges heartbeats, and sends no event", () => {
  /** The reasons for which a bot of this gateway was disconnected, once the gateway is as it should be. */
  const watched = (gateway: HostileGateway.HostileGateway, isSo: () => boolean) =>
    Effect.gen(function* () {
      const reasons: Array<string> = []
      const names: Array<string | null> = []
      const bot = yield* Gateway
      yield* Effect.forkScoped(
        Stream.runForEach(bot.changes, (event) =>
          Effect.sync(() => event._tag === "Disconnected" && reasons.push(event.reason._tag))
        )
      )
      yield* Effect.forkScoped(Stream.runForEach(bot.payloads, ({ t }) => Effect.sync(() => names.push(t))))
      yield* untilTrue(isSo)
      return { reasons, names }
    }).pipe(
      Effect.provide(
        NodeGateway.layer.pipe(
          Layer.provide(
            GatewayConfig.layer({
              token: "hostile-token",
              gatewayUrl: gateway.url,
              compression: "none",
              silenceProbe: { atLeast: "300 millis", answerWithin: "300 millis" }
            })
          )
        )
      ),
      Effect.scoped,
      Effect.provideService(References.MinimumLogLevel, "None")
    )
  const onIdentify = (connection: HostileGateway.Connection) =>
    connection.send(HostileGateway.ready(connection.url, { guilds: [{ id: "41771983423143937", unavailable: true }] }))

  it.live("nor an answer to a probe is given up, and the session resumed", () =>
    Effect.gen(function* () {
      const gateway = yield* HostileGateway.serve({ onIdentify })
      const { reasons } = yield* watched(gateway, () => gateway.frames.some(({ op }) => op === 6))
      assert.deepStrictEqual(reasons, ["SessionDeaf"])
      assert.deepInclude(gateway.frames.find(({ op }) => op === 8)?.d, {
        guild_id: "41771983423143937",
        user_ids: ["80351110224678912"]
      })
    })
  )

  it.live("but an answer to the probe is merely quiet", () =>
    Effect.gen(function* () {
      let answered = 0
      const gateway = yield* HostileGateway.serve({
        onIdentify,
        onFrame: (connection, { d, op }) => {
          if (op !== 8) return
          const { nonce } = d as { readonly nonce: string }
          const chunk = { guild_id: "41771983423143937", members: [], chunk_index: 0, chunk_count: 1, nonce }
          connection.send(HostileGateway.dispatch("GUILD_MEMBERS_CHUNK", 2, chunk))
          answered = performance.now()
        }
      })
      const { names, reasons } = yield* watched(gateway, () => answered > 0 && performance.now() > answered + 1000)
      assert.deepStrictEqual(reasons, [])
      assert.notInclude(names, "GUILD_MEMBERS_CHUNK")
      assert.strictEqual(gateway.connections.length, 1)
    })
  )
})

describe("a peer that completes the upgrade, and then reads nothing", () => {
  it.live("is given up when over 1 MiB waits in the socket, and not sooner", () =>
    Effect.gen(function* () {
      const peer = yield* SilentPeer.serve
      const frame = "x".repeat(64 * 1024)
      const [accepted, error] = yield* Effect.gen(function* () {
        const connections = yield* GatewayConnection
        const connection = yield* connections.open({
          url: peer.url,
          shard: new ShardId({ id: 0, total: 1 }),
          closeCode: 4000,
          compress: false,
          wanted: () => undefined
        })
        let taken = 0
        const send = Effect.andThen(connection.send(frame), Effect.yieldNow)
        // The kernel's buffers take several MiB before anything waits in the socket.
        const error = yield* Effect.flip(Effect.forever(Effect.tap(send, () => Effect.sync(() => taken++))))
        return [taken, error] as const
      }).pipe(
        Effect.scoped,
        Effect.provide(
          NodeGateway.layerServices.pipe(
            Layer.provide(GatewayConfig.layer({ token: "hostile-token", timeouts: { close: "100 millis" } }))
          )
        )
      )
      assert.strictEqual(error.reason._tag, "SendStalled")
      assert.strictEqual(error.recovery, "resume")
      const buffered = error.reason._tag === "SendStalled" ? error.reason.buffered : 0
      assert.isAbove(buffered, 1024 * 1024)
      // The frame that was over the limit, with its header, and no other.
      assert.isBelow(buffered, 1024 * 1024 + frame.length + 100)
      assert.isAbove(accepted * frame.length, 1024 * 1024)
      assert.strictEqual(peer.connections, 1)
    })
  )
})
