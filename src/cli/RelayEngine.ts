/**
 * The engine behind a broker, by the URL that names it. Each is loaded only when it is used, as its client may not be installed.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type { BrokerOptions, RelayBroker } from "../relay/RelayBroker.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import { failureText } from "../services/FailureText.ts"
import type { OwnerStore } from "../services/OwnerStore.ts"
import type { SessionStore } from "../services/SessionStore.ts"

/** Engine at a URL. */
export interface RelayEngine {
  /** Host and port, for people. */
  readonly address: string
  /** The broker, which is connected when the layer is built. */
  readonly broker: (options: BrokerOptions) => Layer.Layer<RelayBroker, Error>
  /** The sessions of a bot and their owner, which are connected at the first call. */
  readonly sessions: (name: string) => Layer.Layer<OwnerStore | SessionStore>
}

/** URLs of the servers of one engine. */
export type Urls = Arr.NonEmptyReadonlyArray<string>

/** Kind of engine. */
interface EngineKind {
  readonly name: string
  readonly protocols: ReadonlyArray<string>
  readonly example: string
  /** Packages that the command does not contain. */
  readonly packages: ReadonlyArray<string>
  /** True where it takes the URLs of several servers, which keep copies by themselves. */
  readonly hasSeveralServers: boolean
  readonly load: () => Promise<{ readonly engineAt: (urls: Urls, replicas: number) => RelayEngine }>
}

const kinds: ReadonlyArray<EngineKind> = [
  {
    name: "Redis",
    protocols: ["redis:", "rediss:"],
    example: "redis://127.0.0.1:6379",
    packages: ["redis"],
    hasSeveralServers: false,
    load: () => import("./RelayOnRedis.ts")
  },
  {
    name: "PostgreSQL",
    protocols: ["postgres:", "postgresql:"],
    example: "postgres://bot@127.0.0.1:5432/bot",
    packages: [],
    hasSeveralServers: false,
    load: () => import("./RelayOnPostgres.ts")
  },
  {
    name: "NATS",
    protocols: ["nats:", "tls:"],
    example: "nats://127.0.0.1:4222",
    packages: [],
    hasSeveralServers: true,
    load: () => import("./RelayOnNats.ts")
  }
]

const examples = kinds.map(({ example, name }) => `a URL of ${name} (${example})`).join(" or ")

const failed = (description: string, option = "--broker") =>
  new GatewayError({ reason: new InvalidConfig({ option, description }) })

/** Engine that a URL names, or several with commas between. It keeps everything on so many of its servers. */
export const engineOf = (text: string, replicas = 1): Effect.Effect<RelayEngine, GatewayError> => {
  if (text === "") return Effect.fail(failed(`it or RELAY_BROKER says where the broker is: ${examples}`))
  const urls = text.split(/,(?=\w+:\/\/)/)
  const kind = kinds.find((kind) => urls.every((url) => isOf(kind, url)))
  if (kind === undefined || !Arr.isReadonlyArrayNonEmpty(urls)) return Effect.fail(failed(`it takes ${examples}`))
  if (urls.length > 1 && !kind.hasSeveralServers) return Effect.fail(failed(`of ${kind.name} it takes one URL`))
  if (replicas < 1 || replicas > 5) {
    return Effect.fail(failed("it takes the number of servers that keep each entry, 1 to 5", "RELAY_REPLICAS"))
  }
  if (replicas !== 1 && !kind.hasSeveralServers) {
    return Effect.fail(failed(`${kind.name} copies by its own settings, and not by this one`, "RELAY_REPLICAS"))
  }
  return Effect.map(load(kind), ({ engineAt }) => engineAt(urls, replicas))
}

const isOf = ({ protocols }: EngineKind, url: string) => URL.canParse(url) && protocols.includes(new URL(url).protocol)

const load = ({ load, name, packages }: EngineKind) =>
  Effect.tryPromise({
    try: load,
    catch: (cause) =>
      failed(
        Predicate.hasProperty(cause, "code") && cause.code === "ERR_MODULE_NOT_FOUND" && packages.length > 0
          ? `${name} takes packages that are not installed: npm install ${packages.join(" ")}`
          : `what talks to ${name} cannot be loaded: ${failureText(cause)}`
      )
  })
