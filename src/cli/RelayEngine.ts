/**
 * The engine behind a broker, by the URL that names it. Each is loaded only when it is used, as its client may not be installed.
 */
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
  /** The broker, which is connected when the layer is built. */
  readonly broker: (options: BrokerOptions) => Layer.Layer<RelayBroker, Error>
  /** The sessions of a bot and their owner, which are connected at the first call. */
  readonly sessions: (name: string) => Layer.Layer<OwnerStore | SessionStore>
}

/** Kind of engine. */
interface EngineKind {
  readonly name: string
  readonly protocols: ReadonlyArray<string>
  readonly example: string
  /** Packages that the command does not contain. */
  readonly packages: ReadonlyArray<string>
  readonly load: () => Promise<{ readonly engineAt: (url: string) => RelayEngine }>
}

const kinds: ReadonlyArray<EngineKind> = [
  {
    name: "Redis",
    protocols: ["redis:", "rediss:"],
    example: "redis://127.0.0.1:6379",
    packages: ["redis"],
    load: () => import("./RelayOnRedis.ts")
  },
  {
    name: "PostgreSQL",
    protocols: ["postgres:", "postgresql:"],
    example: "postgres://bot@127.0.0.1:5432/bot",
    packages: [],
    load: () => import("./RelayOnPostgres.ts")
  },
  {
    name: "NATS",
    protocols: ["nats:", "tls:"],
    example: "nats://127.0.0.1:4222",
    packages: [],
    load: () => import("./RelayOnNats.ts")
  }
]

const urls = kinds.map(({ example, name }) => `a URL of ${name} (${example})`).join(" or ")

const failed = (description: string) =>
  new GatewayError({ reason: new InvalidConfig({ option: "--broker", description }) })

/** Engine that the URL names. */
export const engineOf = (url: string): Effect.Effect<RelayEngine, GatewayError> => {
  if (url === "") return Effect.fail(failed(`it or RELAY_BROKER says where the broker is: ${urls}`))
  const protocol = URL.canParse(url) ? new URL(url).protocol : ""
  const kind = kinds.find(({ protocols }) => protocols.includes(protocol))
  if (kind === undefined) return Effect.fail(failed(`it takes ${urls}`))
  return Effect.map(load(kind), ({ engineAt }) => engineAt(url))
}

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
