// A bot that answers "!echo …" over Discord's REST API. The intent MESSAGE_CONTENT has to be turned on in the Developer Portal.
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { type RESTPostAPIChannelMessageJSONBody, Routes } from "discord-api-types/v10"
import { Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { RateLimiter } from "effect/persistence"

const makeCreateMessage = Effect.gen(function* () {
  const { apiUrl, token } = yield* GatewayConfig
  const client = (yield* HttpClient.HttpClient).pipe(
    HttpClient.filterStatusOk,
    // Follows the X-RateLimit headers of each route, and waits out a 429.
    HttpClient.withRateLimiter({
      limiter: yield* RateLimiter.RateLimiter,
      key: ({ method, url }) => `${method} ${url}`,
      limit: 5,
      window: "5 seconds",
      times: 3
    })
  )
  return (channel: string, body: RESTPostAPIChannelMessageJSONBody) =>
    HttpClientRequest.post(apiUrl + Routes.channelMessages(channel)).pipe(
      HttpClientRequest.setHeader("authorization", `Bot ${Redacted.value(token)}`),
      HttpClientRequest.bodyJsonUnsafe(body),
      client.execute
    )
})

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  const createMessage = yield* makeCreateMessage
  return yield* gateway.handle(
    {
      MESSAGE_CREATE: ({ d }) => {
        const text = /^!echo (.+)/s.exec(d.content)?.[1]
        if (text === undefined || d.author.bot === true) return Effect.void
        return Effect.andThen(
          createMessage(d.channel_id, { content: text, message_reference: { message_id: d.id } }),
          Effect.log(`echoed to ${d.author.username}`)
        )
      }
    },
    // What Discord refuses is no reason to end.
    { onFailure: { deadLetter: ({ cause }) => Effect.logError("A message was not answered", cause) } }
  )
})

const Live = Layer.mergeAll(
  NodeGateway.layer,
  NodeHttpClient.layerNodeHttp,
  RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))
).pipe(Layer.provideMerge(GatewayConfig.layerEnvWith({ intents: ["GUILDS", "GUILD_MESSAGES", "MESSAGE_CONTENT"] })))

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
