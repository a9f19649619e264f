import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as RedisBroker from "../../../src/relay/redis/RedisBroker.ts"
import { RelayBroker } from "../../../src/relay/RelayBroker.ts"
import * as RelayRecord from "../../../src/relay/RelayRecord.ts"
import { handledIn, judge } from "../../relay/HandledRecord.ts"
import { hasRedis } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"
import * as Process from "../../support/Process.ts"

const url = "redis://127.0.0.1:6379"
const script = fileURLToPath(new URL("../../dist/relaybot.js", import.meta.url))
const guilds = Array.from({ length: 40 }, (_, n) => String((1_000_000_000n + BigInt(n)) << 22n))

/** Handlers that a consumer of the proof runs side by side, one of each guild at most. */
const concurrency = 64

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "relay-pause-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Publishes messages, those of the guilds in turn. */
const makePublisher = Effect.map(RelayBroker, (broker) => {
  let count = 0
  return (messages: number) =>
    Effect.suspend(() => {
      const records = Array.from({ length: messages }, () => {
        const n = count++
        const guild = guilds[n % guilds.length] ?? ""
        const d = { id: String(n), guild_id: guild, content: "" }
        const text = JSON.stringify({ t: "MESSAGE_CREATE", s: n + 1, op: 0, d })
        const partition = RelayRecord.partitionOf(guild, broker.partitions)
        return { session: "session", shard: 0, sequence: n + 1, name: "MESSAGE_CREATE", text, partition }
      })
      return Effect.as(broker.publish(records), count)
    })
})

describe.skipIf(!hasRedis)("a consumer that is paused for longer than its lease", () => {
  it.live("hands out nothing of what others have when it goes on, but for what it was in the midst of", () =>
    Effect.gen(function* () {
      const name = `pause_${(yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)}`
      const path = join(yield* folder, "record")
      const env = {
        PROOF_BROKER: url,
        PROOF_NAME: name,
        PROOF_RECORD: path,
        PROOF_MODE: "relay",
        // Up to 100 ms for each message: much is read, and little of it handled, when the consumer is paused.
        PROOF_WORK: "50"
      }
      const broker = RedisBroker.layer({ name }).pipe(Layer.provide(NodeRedis.layer({ url })))
      yield* Effect.gen(function* () {
        const publish = yield* makePublisher
        const { status } = yield* RelayBroker
        const paused = yield* Process.start(process.execPath, [script], { env })
        const other = yield* Process.start(process.execPath, [script], { env })
        const describe = () => `${paused.description}\n${other.description}`
        const by = (pid: number) => handledIn(path).filter((handled) => handled.pid === pid)
        // Both have partitions.
        let published = 0
        yield* until(
          Effect.tap(publish(40), (count) => Effect.sync(() => (published = count))),
          () => by(paused.pid).length > 0 && by(other.pid).length > 0,
          describe
        )
        yield* until(status, ({ depth }) => depth === 0, describe)

        const before = by(paused.pid).length
        published = yield* publish(2000)
        yield* untilTrue(() => by(paused.pid).length > before, describe)
        yield* paused.signal("SIGSTOP")
        // The other has everything.
        yield* until(status, ({ depth }) => depth === 0, describe)
        const atPause = by(paused.pid)
        const firstHandled = new Set(handledIn(path).map(({ n }) => n))
        assert.strictEqual(firstHandled.size, published, "the other has handled what was left")

        yield* paused.signal("SIGCONT")
        // It takes part again: it is given partitions, and what comes in them.
        const later = published
        yield* until(
          Effect.tap(publish(40), (count) => Effect.sync(() => (published = count))),
          () => by(paused.pid).some(({ n }) => n >= later),
          describe
        )
        yield* until(status, ({ depth }) => depth === 0, describe)
        yield* untilTrue(() => new Set(handledIn(path).map(({ n }) => n)).size === published, describe)

        const late = by(paused.pid)
          .slice(atPause.length)
          .filter(({ n }) => n < later)
        assert.isAtMost(late.length, concurrency, "no more than it was in the midst of")
        assert.strictEqual(new Set(late.map(({ guild }) => guild)).size, late.length, "one of each guild")
        const all = handledIn(path)
        // Besides those, what it had handled just before and had not acknowledged yet.
        assert.isAtMost(all.length - published, late.length + concurrency)
        for (const { pid } of [paused, other]) {
          assert.strictEqual(new Set(by(pid).map(({ n }) => n)).size, by(pid).length, "nothing twice by one of them")
        }
        assert.deepInclude(judge(all, published), { lost: 0, outOfOrder: 0 })
        yield* paused.end("SIGTERM")
        yield* other.end("SIGTERM")
      }).pipe(Effect.provide(broker))
    }).pipe(Effect.scoped)
  )
})
