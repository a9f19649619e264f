// A bot that starts idle, and then shows the time of day every minute (PRESENCE_SECONDS), on all its shards.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, SendEvent } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { ActivityType, PresenceUpdateStatus } from "discord-api-types/v10"
import { Config, Console, DateTime, Duration, Effect, Layer, Schedule } from "effect"

const showTime = Effect.gen(function* () {
  const gateway = yield* Gateway
  const time = DateTime.formatIso(yield* DateTime.now).slice(11, 16)
  yield* gateway.send(
    SendEvent.updatePresence({
      activities: [{ name: `it is ${time} (UTC)`, type: ActivityType.Watching }],
      status: PresenceUpdateStatus.Online,
      since: null,
      afk: false
    })
  )
  yield* Console.log(`it is ${time}`)
})

const bot = Effect.gen(function* () {
  const seconds = yield* Config.withDefault(Config.Int("PRESENCE_SECONDS"), 60)
  yield* Effect.schedule(showTime, Schedule.spaced(Duration.seconds(seconds)))
})

const Live = NodeGateway.layer.pipe(
  Layer.provide(
    GatewayConfig.layerEnvWith({
      presence: { activities: [], status: PresenceUpdateStatus.Idle, since: null, afk: false },
      // It wants none of what comes.
      events: []
    })
  )
)

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
