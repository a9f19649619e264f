// The relay of the proof, on the broker that the environment names.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Logger } from "effect"
import { GatewayConfig } from "../../src/index.ts"
import { NodeGateway } from "../../src/node.ts"
import { GatewayRelay } from "../../src/relay.ts"
import { Broker } from "./BrokerOfEnvironment.ts"

Effect.gen(function* () {
  const sessions = yield* Config.String("PROOF_SESSIONS")
  return yield* GatewayRelay.run.pipe(
    Effect.provide(
      Layer.merge(NodeGateway.layerWithSessionFile(sessions, { lease: "2 seconds" }), Broker).pipe(
        Layer.provide(GatewayConfig.layerEnv),
        Layer.provideMerge(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
      )
    )
  )
}).pipe(NodeRuntime.runMain({ disableErrorReporting: false }))
