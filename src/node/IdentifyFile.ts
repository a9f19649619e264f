/**
 * The times of IDENTIFYs in a file of their own, for a bot without a store of sessions: in the user's state folder, by the bot's
 * id.
 *
 * Without it a bot that dies at its start, and is started again by its supervisor, would spend the day's IDENTIFYs within the
 * hour. A folder that cannot be written is no reason not to run.
 */
import { homedir, platform } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import { isLoopbackUrl } from "../schema/GatewayUrl.ts"
import { botIdOf } from "../services/BotId.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import * as IdentifyStore from "../services/IdentifyStore.ts"
import * as SessionFile from "../services/SessionFile.ts"

const variable = (name: string): Config.Config<string> => Config.withDefault(Config.String(name), "")

/** The folder for what programs keep between their runs, as each system has it. */
const stateFolder = Effect.map(
  Config.all({ xdg: variable("XDG_STATE_HOME"), local: variable("LOCALAPPDATA") }),
  ({ local, xdg }) => {
    switch (platform()) {
      case "win32":
        return local === "" ? join(homedir(), "AppData", "Local") : local
      case "darwin":
        return join(homedir(), "Library", "Application Support")
      default:
        return xdg === "" ? join(homedir(), ".local", "state") : xdg
    }
  }
)

/** Name of the file: processes that share a bot's shards do not share it. */
const fileName = (bot: string, shards: GatewayConfig["Service"]["shards"]): string => {
  if (shards === "auto") return `identifies-${bot}.json`
  const [first] = shards
  const isAll = first === undefined || shards.length === first.total
  return isAll ? `identifies-${bot}.json` : `identifies-${bot}-${first.id}of${first.total}.json`
}

const open = Effect.fnUntraced(function* (bot: string, shards: GatewayConfig["Service"]["shards"]) {
  const files = yield* FileSystem.FileSystem
  const folder = join(yield* stateFolder, "disruption-gateway")
  yield* files.makeDirectory(folder, { recursive: true, mode: 0o700 })
  const context = yield* Layer.build(
    Layer.fresh(Persistence.layerBackingKvs).pipe(Layer.provide(SessionFile.layer(join(folder, fileName(bot, shards)))))
  )
  return yield* IdentifyStore.makePersisted(Context.get(context, Persistence.BackingPersistence))
})

/**
 * The file of the configured bot. There is none where a store is provided already, where `keepIdentifies` is false, where the
 * token has no bot's id in it, and for a Discord on this computer.
 */
export const layer: Layer.Layer<never, never, GatewayConfig> = Layer.effectContext(
  Effect.gen(function* () {
    const given = yield* IdentifyStore.IdentifyStore
    const { apiUrl, gatewayUrl, keepIdentifies, shards, token } = yield* GatewayConfig
    const bot = botIdOf(token)
    const isKept = keepIdentifies && given === undefined && !isLoopbackUrl(gatewayUrl ?? apiUrl)
    if (!isKept || bot === undefined) return Context.make(IdentifyStore.IdentifyStore, given)
    const store = yield* open(bot, shards).pipe(
      Effect.catch(({ message }) =>
        Effect.as(Effect.logWarning(`The times of IDENTIFYs cannot be kept over a restart: ${message}`), undefined)
      )
    )
    return Context.make(IdentifyStore.IdentifyStore, store)
  })
).pipe(Layer.provide(NodeFileSystem.layer))
