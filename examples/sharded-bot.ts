// A bot with as many shards as Discord recommends, which says how they start, and sets its presence once all are ready.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { describeShardEvent, Gateway, GatewayConfig, SendEvent } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { ActivityType, PresenceUpdateStatus } from "discord-api-types/v10"
import { Console, Effect, Layer, Stream } from "effect"

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway

  yield* gateway.changes.pipe(
    Stream.runForEach((event) => Console.log(`shard ${event.shard}: ${describeShardEvent(event)}`)),
    Effect.forkScoped
  )
  yield* gateway
    .send(
      SendEvent.updatePresence({
        activities: [{ name: "on many shards", type: ActivityType.Playing }],
        status: PresenceUpdateStatus.Online,
        since: null,
        afk: false
      })
    )
    .pipe(Effect.andThen(Console.log("the presence is set on all shards")), Effect.forkScoped)

  yield* Stream.runForEach(gateway.on("GUILD_CREATE"), ({ d, shard }) => Console.log(`${d.name} is on shard ${shard}`))
})

bot.pipe(
  Effect.scoped,
  Effect.provide(Layer.provide(NodeGateway.layer, GatewayConfig.layerEnvWith({ shards: "auto" }))),
  NodeRuntime.runMain
)
