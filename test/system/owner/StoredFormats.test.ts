import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { FencedSessions } from "../../../src/services/FencedSessions.ts"
import * as RedisFencedSessions from "../../../src/services/RedisFencedSessions.ts"
import * as SqlFencedSessions from "../../../src/services/SqlFencedSessions.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Instances from "../../owner/Instances.ts"
import { untilTrue } from "../../support/Patience.ts"

const Row = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Int, session: Schema.Record(Schema.String, Schema.Unknown) })
)
const decodeRow = Schema.decodeUnknownEffect(Row)

/** The rows of a bot as any release has them. */
const rows = ({ name, url }: { readonly name: string; readonly url: string }) =>
  Effect.map(
    Layer.build(
      url.startsWith("redis")
        ? RedisFencedSessions.layer(name).pipe(Layer.provide(NodeRedis.layer({ url })))
        : SqlFencedSessions.layer(name).pipe(Layer.provide(PgClient.layer({ url: Redacted.make(url) })), Layer.orDie)
    ),
    (context) => {
      const sessions = Context.get(context, FencedSessions)
      const take = (shard: string) => Effect.map(sessions.take([shard]), (taken) => taken.get(shard))
      return {
        read: (shard: string) => Effect.map(take(shard), (taken) => taken?.session),
        write: (shard: string, session: string) =>
          Effect.flatMap(take(shard), (taken) => sessions.write([{ shard, epoch: taken?.epoch ?? 0, session }]))
      }
    }
  )

for (const store of Instances.stores.filter(({ store }) => store !== "file")) {
  describe.skipIf(!store.isThere)(`a process with sessions in ${store.store}`, () => {
    it.live("refuses a newer release's session in words, keeps it, and goes on with one that has more in it", () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const instances = yield* Instances.make(store)
        const { read, write } = yield* rows(instances)
        const newer = JSON.stringify({ version: 2, session: "in a way that only a newer release reads" })
        yield* write("0/1", newer)

        const first = yield* instances.start
        yield* first.says("READY")
        assert.match(
          `${first.stdout}${first.stderr}`,
          /a newer release has stored it in format 2, where this one reads format 1.*kept as 0\/1\/format-2/
        )
        yield* first.end("SIGTERM")
        assert.strictEqual(yield* read("0/1/format-2"), newer)
        const row = yield* decodeRow(yield* read("0/1"))
        assert.strictEqual(row.version, 1)

        // A newer release of the same version has gone on with it, and added what this one does not know.
        const more = { ...row, session: { ...row.session, mood: "good" }, since: "tomorrow" }
        yield* write("0/1", JSON.stringify(more))
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: 7 } }])
        const second = yield* instances.start
        yield* untilTrue(() => Instances.handledIn(second.stdout).some(({ n }) => n === 7))
        yield* second.end("SIGTERM")
        const { identifies, resumes } = yield* simulator.counts
        assert.deepStrictEqual({ identifies, resumes }, { identifies: 1, resumes: 1 })
        assert.strictEqual(yield* read("0/1/format-2"), newer)
      }).pipe(Effect.provide(DiscordSimulator.serve()))
    )
  })
}
