// A fatal error ends the stream, as a value: here a bot that does without a privileged intent when it
// may not use it, and that tells a person what to do about everything else.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, type IntentName } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Console, Effect, Layer, Stream } from "effect"

const listen = Effect.gen(function* () {
  const gateway = yield* Gateway
  yield* Stream.runForEach(gateway.on("READY"), ({ d }) => Console.log(`ready as ${d.user.username}`))
})

const withIntents = (intents: ReadonlyArray<IntentName>) =>
  Effect.provide(listen, Layer.provide(NodeGateway.layer, GatewayConfig.layerEnvWith({ intents })))

withIntents(["GUILDS", "GUILD_MESSAGES", "MESSAGE_CONTENT"]).pipe(
  Effect.catchReason("GatewayError", "DisallowedIntents", (reason) =>
    Effect.andThen(Console.error(reason.message), withIntents(["GUILDS", "GUILD_MESSAGES"]))
  ),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
