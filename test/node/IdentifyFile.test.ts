import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as IdentifyFile from "../../src/node/IdentifyFile.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { IdentifyStore } from "../../src/services/IdentifyStore.ts"

const token = `${Buffer.from("123456789012345678").toString("base64")}.Gabcde.${"s".repeat(38)}`
const shard = new ShardId({ id: 0, total: 1 })
const record = { times: [1_700_000_000_000], starts: 3 }

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "state-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

/** Runs with what a bot of these options keeps below the folder. */
const inFolder = (folder: string, options: Partial<GatewayOptions> = {}) =>
  Effect.provide(
    IdentifyFile.layer.pipe(
      Layer.provide(GatewayConfig.layer({ token, ...options })),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ XDG_STATE_HOME: folder }))),
      Layer.fresh
    )
  )

const filesIn = (folder: string) => readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted()

describe.skipIf(globalThis.process.platform !== "linux")("a bot without a store of sessions", () => {
  it.effect("has a file in the user's state folder, by its id and never by its token", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.flatMap(IdentifyStore, (store) => store?.save(shard, record) ?? Effect.die("no store")).pipe(
        inFolder(folder)
      )
      const name = join("disruption-gateway", "identifies-123456789012345678.json")
      assert.deepStrictEqual(filesIn(folder), ["disruption-gateway", name])
      const text = readFileSync(join(folder, name), "utf8")
      for (const part of token.split(".")) assert.notInclude(text, part)
      assert.strictEqual(statSync(join(folder, name)).mode & 0o777, 0o600)

      const loaded = yield* Effect.flatMap(
        IdentifyStore,
        (store) => store?.load([shard]) ?? Effect.die("no store")
      ).pipe(inFolder(folder))
      assert.deepStrictEqual(loaded, [Option.some(record)])
    }).pipe(Effect.scoped)
  )

  it.effect("has none where it is not wanted, where the token has no id, and for a Discord on this computer", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const options of [
        { keepIdentifies: false },
        { token: "simulated-token" },
        { apiUrl: "http://127.0.0.1:8080/api/v10" },
        { gatewayUrl: "ws://localhost:8080" }
      ]) {
        assert.isUndefined(yield* IdentifyStore.pipe(inFolder(folder, options)))
      }
      assert.deepStrictEqual(filesIn(folder), [])
    }).pipe(Effect.scoped)
  )

  it.effect("starts where the folder cannot be written", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* IdentifyStore.pipe(inFolder("/dev/null")))
    })
  )
})
