import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type WebSocketLike, WebSocketConstructor } from "effect/socket/Socket"
import * as NodeGateway from "../../../src/node/NodeGateway.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { type Case, groups } from "../../support/Conformance.ts"
import { page } from "../../support/Markdown.ts"
import { untilTrue } from "../../support/Patience.ts"
import { opcodes, type RawPeer, serve } from "../../support/RawPeer.ts"

const cases = groups.flatMap(({ cases }) => cases)

/** Messages as a program gets them, and how the connection ended. */
interface Seen {
  readonly messages: ReadonlyArray<Buffer>
  readonly code: number
  readonly peer: RawPeer | undefined
}

const bytesOf = (data: unknown): Buffer =>
  typeof data === "string"
    ? Buffer.from(data)
    : data instanceof Uint8Array
      ? Buffer.from(data)
      : assert.fail("no bytes")

/** Connects, echoes what comes, and waits for the end. */
const talk = (url: string, { echoes = "text", limit = 64 * 1024 * 1024 }: Case) =>
  Effect.gen(function* () {
    const construct = yield* WebSocketConstructor
    const messages: Array<Buffer> = []
    const code = yield* Effect.callback<number>((resume) => {
      const socket: WebSocketLike = construct(url)
      socket.addEventListener("error", () => undefined)
      socket.addEventListener("message", ({ data }) => {
        const bytes = bytesOf(data)
        messages.push(bytes)
        socket.send(echoes === "text" ? bytes.toString() : new Uint8Array(bytes))
      })
      socket.addEventListener("close", ({ code = 0 }) => resume(Effect.succeed(code)))
    }).pipe(Effect.timeoutOrElse({ duration: "1 minute", orElse: () => Effect.succeed(0) }))
    return { messages, code }
  }).pipe(
    Effect.provide(
      NodeGateway.layerWebSocketConstructor.pipe(
        Layer.provide(GatewayConfig.layer({ token: "t", maxPayloadBytes: limit, timeouts: { close: "30 seconds" } }))
      )
    )
  )

const same = (one: ReadonlyArray<Buffer>, other: ReadonlyArray<Buffer>): boolean =>
  one.length === other.length && one.every((bytes, n) => other[n]?.equals(bytes))

/** The sentence that says what is wrong, or none. */
const judge = (test: Case, { code, messages, peer }: Seen): string | undefined => {
  const { echoes = "text", end, pongs = [], messages: expected = [] } = test
  if (peer === undefined) return "it did not connect"
  if (code === 0) return "the connection does not end"
  if (peer.headers.has("sec-websocket-extensions")) return "it asks for an extension"
  const frames = peer.frames
  if (!frames.every(({ fin, masked, rsv }) => masked && fin && rsv === 0))
    return "its frames are not whole or not masked"
  if (!same(messages, expected)) return `the program got ${messages.length} messages of ${expected.length}, or others`
  const payloads = (opcode: number) => frames.filter((frame) => frame.opcode === opcode).map(({ payload }) => payload)
  if (end._tag === "Failed") {
    // What it fails it may leave without a close frame; in one it says why.
    const [close] = payloads(opcodes.close)
    if (code !== 1006 && !end.codes.includes(code)) return `the program is told ${code}`
    const said = close === undefined || close.length < 2 ? undefined : close.readUInt16BE(0)
    return said === undefined || end.codes.includes(said) ? undefined : `it closes with ${said}`
  }
  if (!same(payloads(opcodes[echoes]), expected)) return "its messages are not those that it was given to send"
  if (!same(payloads(opcodes.pong), pongs)) return "its pongs are not those of the pings"
  const [close, ...more] = payloads(opcodes.close)
  if (close === undefined || more.length > 0) return "it does not answer the close frame, once"
  if (frames.at(-1)?.opcode !== opcodes.close) return "it sends frames behind its close frame"
  const said = close.length < 2 ? undefined : close.readUInt16BE(0)
  if (said !== end.code) return `it answers the close frame with ${String(said)}`
  return code === (end.code ?? 1005) ? undefined : `the program is told ${code}`
}

const table = [
  "| group | cases | held |",
  "| --- | --: | --: |",
  ...groups.map(({ cases, title }) => `| ${title} | ${cases.length} | ${cases.length} |`),
  `| all | ${cases.length} | ${cases.length} |`
]

/** Cells without the spaces that the formatter puts around them. */
const cells = (lines: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  lines.filter((line) => !line.includes("---")).map((line) => line.split("|").map((cell) => cell.trim()))

describe("the connection of Node.js", () => {
  it.live("conforms to RFC 6455, case by case", () =>
    Effect.gen(function* () {
      const peers = new Map<string, RawPeer>()
      const services = yield* Effect.context<never>()
      const url = yield* serve(
        (path) => cases[Number(path.slice(1))]?.upgrade ?? {},
        (peer, path) => {
          peers.set(path, peer)
          const test = cases[Number(path.slice(1))]
          if (test === undefined) return
          const bytes = Buffer.concat(test.writes)
          // The server ends the TCP connection behind its close frame once it was answered, as the protocol has it.
          const answered = () => peer.hasEnded || peer.frames.some(({ opcode }) => opcode === opcodes.close)
          Effect.runForkWith(services)(
            peer
              .write(bytes, test.chop)
              .pipe(Effect.andThen(untilTrue(answered)), Effect.andThen(Effect.sync(() => peer.end())))
          )
        }
      )
      const wrong = yield* Effect.forEach(
        cases,
        (test, n) =>
          Effect.map(talk(`${url}/${n}`, test), (seen) => {
            const reason = judge(test, { ...seen, peer: peers.get(`/${n}`) })
            return reason === undefined ? [] : [`${test.name}: ${reason}`]
          }),
        { concurrency: 16 }
      )
      assert.deepStrictEqual(wrong.flat(), [])
    }).pipe(Effect.scoped)
  )

  it("is told of in docs/incidents.md as it was tried", () => {
    const [, written = ""] = /<!-- conformance -->([^]*)<!-- \/conformance -->/.exec(page("docs/incidents.md")) ?? []
    assert.deepStrictEqual(cells(written.trim().split("\n")), cells(table))
  })
})
