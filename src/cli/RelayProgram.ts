/**
 * Program of `disruption-gateway relay`: connects, and writes to the broker until a failure or a signal.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Gateway } from "../gateway/Gateway.ts"
import * as NodeGateway from "../node/NodeGateway.ts"
import { GatewayRelay } from "../relay/GatewayRelay.ts"
import { defaults } from "../relay/RelayBroker.ts"
import * as RelayDashboard from "../relay/RelayDashboard.ts"
import * as RelayHealth from "../relay/RelayHealth.ts"
import { describeShardEvent, levelOfShardEvent } from "../schema/ShardEvent.ts"
import type { ShardSelection } from "../schema/ShardSelection.ts"
import { failureText } from "../services/FailureText.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayOwner } from "../services/GatewayOwner.ts"
import { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import { type Address, urlOf } from "./Address.ts"
import * as Dashboard from "./Dashboard.ts"
import * as RelayEngine from "./RelayEngine.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"

/** Values of the flags. */
export interface RelayOptions {
  readonly broker: Option.Option<string>
  readonly name: Option.Option<string>
  readonly logLevel: Option.Option<LogLevel.LogLevel>
  readonly dashboard: Option.Option<Address>
  readonly intents: Option.Option<number>
  readonly shards: Option.Option<ShardSelection>
  readonly apiUrl: Option.Option<string>
}

const orConfig = <A>(flag: Option.Option<A>, config: Config.Config<A>) =>
  Option.match(flag, { onNone: () => config, onSome: (value) => Config.succeed(value) })

/** The wait between tries to open the broker. */
const openingWait = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/** Runs until a failure or a signal. */
export const run = Effect.fn(
  function* (flags: RelayOptions) {
    const url = yield* orConfig(flags.broker, Config.withDefault(Config.String("RELAY_BROKER"), ""))
    const name = yield* orConfig(flags.name, Config.withDefault(Config.String("RELAY_NAME"), "bot"))
    const partitions = yield* Config.withDefault(Config.Int("RELAY_PARTITIONS"), defaults.partitions)
    const capacity = yield* Config.withDefault(Config.Int("RELAY_CAPACITY"), defaults.capacity)
    const replicas = yield* Config.withDefault(Config.Int("RELAY_REPLICAS"), 1)
    const engine = yield* RelayEngine.engineOf(url, replicas)
    const { address } = engine

    const broker = Layer.effectContext(
      Layer.build(engine.broker({ name, partitions, capacity })).pipe(
        Effect.tapError((error) =>
          Effect.logWarning(`The broker at ${address} cannot be opened, trying again: ${failureText(error)}`)
        ),
        Effect.retry(openingWait)
      )
    )
    const gateway = Gateway.layer.pipe(
      Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
      Layer.provide([engine.sessions(name), IdentifyLimiter.layerMemory]),
      Layer.provide(NodeGateway.layerServices),
      Layer.provide(
        GatewayConfig.layerEnvWith({
          intents: Option.getOrUndefined(flags.intents),
          shards: Option.getOrUndefined(flags.shards),
          apiUrl: Option.getOrUndefined(flags.apiUrl)
        })
      )
    )

    const program = Effect.gen(function* () {
      const { changes } = yield* Gateway
      const relay = yield* GatewayRelay
      yield* StandardOutput.writeLine(`Relaying to ${address} as ${name}`)
      if (Option.isSome(flags.dashboard)) {
        const running = Layer.succeed(GatewayRelay, relay)
        const dashboard = yield* Dashboard.serve(
          flags.dashboard.value,
          Layer.provide(RelayHealth.layer, running),
          (options) => Layer.provide(RelayDashboard.layerWith(options), running)
        )
        yield* StandardOutput.writeLine(`Dashboard: ${urlOf(dashboard)}`)
      }
      yield* Effect.forkScoped(
        Stream.runForEach(changes, (change) =>
          Effect.logWithLevel(levelOfShardEvent(change))(`shard ${change.shard}: ${describeShardEvent(change)}`)
        )
      )
      return yield* relay.end
    })
    return yield* program.pipe(
      Effect.scoped,
      Effect.provide(GatewayRelay.layer.pipe(Layer.provideMerge([gateway, broker]))),
      Effect.provideService(
        References.MinimumLogLevel,
        Option.getOrElse(flags.logLevel, () => "Info" as const)
      )
    )
  },
  Effect.mapError((error) => StandardError.failure(error))
)
