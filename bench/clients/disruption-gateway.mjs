// This library, as its users write it.
import { Effect, Layer, References, Stream } from "effect"
import { Gateway, GatewayConfig } from "../../dist/index.js"
import { NodeGateway } from "../../dist/node.js"

/** The options of later versions: which of them this build knows. */
export const knows = await Effect.runPromise(
  Effect.provide(
    Effect.map(GatewayConfig, (config) => ({
      compression: "compression" in config,
      events: "events" in config
    })),
    GatewayConfig.layer({ token: "token", compression: "none", events: ["READY"] })
  )
)

const run =
  (use) =>
  ({ api, compression, events, shards = 1, url, ...rest }) => {
    // Many shards need to know max_concurrency, which only the directory says.
    const where = shards === 1 ? { gatewayUrl: url } : { apiUrl: api }
    const Bot = NodeGateway.layer.pipe(
      Layer.provide(
        GatewayConfig.layer({
          token: "token",
          intents: 0,
          shards,
          ...where,
          ...(knows.compression ? { compression } : {}),
          ...(events === undefined ? {} : { events })
        })
      )
    )
    return Effect.runPromise(
      Effect.flatMap(Gateway, (gateway) => use(gateway, rest.consume ?? (() => {}))).pipe(
        Effect.provide(Bot),
        Effect.provideService(References.MinimumLogLevel, "None")
      )
    )
  }

export const handlers = run((gateway, consume) =>
  gateway.runForEach(({ d, op, t }) =>
    Effect.sync(() => {
      if (op === 0) consume(t, d)
    })
  )
)

/** Nothing but the handlers' names says what is wanted. */
export const handle = run((gateway, consume) =>
  gateway.handle({ MESSAGE_CREATE: ({ d, t }) => Effect.sync(() => consume(t, d)) })
)

export const handleNothing = run((gateway) => gateway.handle({}))

export const forEach = run((gateway, consume) =>
  Stream.runForEach(gateway.payloads, ({ d, op, t }) =>
    Effect.sync(() => {
      if (op === 0) consume(t, d)
    })
  )
)

export const forEachArray = run((gateway, consume) =>
  Stream.runForEachArray(gateway.payloads, (payloads) =>
    Effect.sync(() => {
      for (const { d, op, t } of payloads) if (op === 0) consume(t, d)
    })
  )
)

export const on = run((gateway, consume) =>
  Stream.runForEach(gateway.on("MESSAGE_CREATE"), ({ d, t }) => Effect.sync(() => consume(t, d)))
)
