import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import { TestClock } from "effect/testing"
import { GuildSnapshots } from "../../src/services/GuildSnapshots.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { until } from "../support/Patience.ts"
import * as TwoBots from "../support/TwoBots.ts"

const Memory = Layer.mergeAll(SessionStore.layerPersisted, GuildSnapshots.layerPersisted).pipe(
  Layer.provide(Persistence.layerBackingMemory)
)
const pass = () => TestClock.adjust("10 seconds")

describe("two bots on one store", () => {
  it.effect("resume each its own session, by the ids in their tokens", () => TwoBots.resume(Memory, pass))

  it.effect("resume each its own session by their names, where the token is the same or has no id", () =>
    TwoBots.resume(Memory, pass, [
      { token: "simulated-token", name: "live", guilds: 2 },
      { token: "simulated-token", name: "staging", guilds: 3 }
    ])
  )

  it.live("resume each its own session in one file, too", () =>
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const Files = Layer.mergeAll(
        SessionStore.layerFile(`${folder}/sessions.json`),
        GuildSnapshots.layerFile(`${folder}/guilds.json`)
      )
      yield* TwoBots.resume(Files, (isSo) => until(isSo, (is) => is))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
