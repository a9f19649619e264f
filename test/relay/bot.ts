// The bot of the proof: on a gateway of its own, or behind the relay. It writes each message that it has handled into a file that all
// consumers append to.
import { closeSync, openSync, writeSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Logger } from "effect"
import { Gateway, GatewayConfig } from "../../src/index.ts"
import { NodeGateway } from "../../src/node.ts"
import { RelayGateway } from "../../src/relay.ts"
import { Broker } from "./BrokerOfEnvironment.ts"

const bot = Effect.gen(function* () {
  const path = yield* Config.String("PROOF_RECORD")
  // Milliseconds of a handler, at most twice this.
  const work = yield* Config.withDefault(Config.Int("PROOF_WORK"), 1)
  const file = yield* Effect.acquireRelease(
    Effect.sync(() => openSync(path, "a")),
    (file) => Effect.sync(() => closeSync(file))
  )
  const gateway = yield* Gateway
  yield* Effect.log("The bot has begun")
  return yield* gateway.handle(
    {
      MESSAGE_CREATE: ({ d: { guild_id, id } }) =>
        Effect.andThen(
          Effect.sleep((Number(id) % 3) * work),
          Effect.sync(() => {
            writeSync(file, `${id} ${guild_id} ${process.pid}\n`)
          })
        )
    },
    { concurrency: 64 }
  )
})

const behindARelay = Layer.provide(RelayGateway.layer({ lease: "3 seconds" }), Broker)

const onItsOwn = Layer.unwrap(
  Effect.map(Config.String("PROOF_SESSIONS"), (sessions) => NodeGateway.layerWithSessionFile(sessions))
).pipe(Layer.provide(GatewayConfig.layerEnv))

Effect.gen(function* () {
  const mode = yield* Config.Literals(["relay", "direct"], "PROOF_MODE")
  const layer: Layer.Layer<Gateway, unknown> = mode === "relay" ? behindARelay : onItsOwn
  return yield* Effect.scoped(bot).pipe(
    Effect.provide(Layer.provideMerge(layer, Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
  )
}).pipe(NodeRuntime.runMain({ disableErrorReporting: false }))
