// One of several instances of a bot with the same sessions: prints a line of JSON for each message that it has handled, and logs to
// standard error. The environment names the store: OWNER_STORE (file, Redis, PostgreSQL), its OWNER_URL, OWNER_NAME, OWNER_LEASE, and OWNER_UNANSWERED (wait, fail).
import { writeSync } from "node:fs"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Effect, Layer, Logger, Redacted } from "effect"
import { Gateway, GatewayConfig, GatewayOwner, RedisOwner, SqlOwner } from "../../src/index.ts"
import { NodeGateway } from "../../src/node.ts"

const Instance = Layer.unwrap(
  Effect.gen(function* () {
    const store = yield* Config.Literals(["file", "Redis", "PostgreSQL"], "OWNER_STORE")
    const url = yield* Config.String("OWNER_URL")
    const name = yield* Config.String("OWNER_NAME")
    const lease = yield* Config.Duration("OWNER_LEASE")
    const whenUnanswered = yield* Config.withDefault(Config.Literals(["wait", "fail"], "OWNER_UNANSWERED"), "wait")
    if (store === "file") return NodeGateway.layerWithSessionFile(url, { lease })
    const shared =
      store === "Redis"
        ? RedisOwner.layerWithSessions(name, NodeRedis.layer({ url }))
        : SqlOwner.layerWithSessions(name, PgClient.layer({ url: Redacted.make(url) }))
    return Gateway.layer.pipe(
      Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance, lease, whenUnanswered })),
      Layer.provide(shared),
      Layer.provide(NodeGateway.layerServices)
    )
  })
)

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle({
    READY: () => Effect.log("READY"),
    MESSAGE_CREATE: ({ d, t }) =>
      Effect.sync(() => {
        writeSync(1, `${JSON.stringify({ t, d, at: performance.timeOrigin + performance.now() })}\n`)
      })
  })
})

bot.pipe(
  Effect.tapCause((cause) => Effect.logError("It ends", cause)),
  Effect.provide(
    Instance.pipe(
      Layer.provide(GatewayConfig.layerEnv),
      Layer.provideMerge(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
    )
  ),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
