// The client of this library: it writes a line of JSON for each event that it delivers, and does what the lines of its standard
// input ask for. INCIDENT_SHARDS and INCIDENT_SESSIONS say how many shards it runs and where it keeps its sessions.
import { writeSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import { Config, Deferred, Effect, Layer, Logger, Option, Predicate, Schema, Stream } from "effect"
import * as Stdio from "effect/Stdio"
import { Gateway, GatewayConfig, type Payload, SendEvent } from "../../src/index.ts"
import { NodeGateway } from "../../src/node.ts"

const Request = Schema.fromJsonString(
  Schema.Struct({
    ask: Schema.Literals(["presence", "members", "stop"]),
    times: Schema.optionalKey(Schema.Int),
    guild: Schema.optionalKey(Schema.String)
  })
)

const say = (line: object) => Effect.sync(() => void writeSync(1, `${JSON.stringify(line)}\n`))
const problem = (error: unknown) => say({ problem: error instanceof Error ? error.message : String(error) })

const delivered = ({ d, t }: Payload) => {
  const content = Predicate.hasProperty(d, "content") && Predicate.isString(d.content) ? d.content : undefined
  return say({ t, ...(content === undefined || content.length >= 100 ? {} : { content }) })
}

const presence = SendEvent.updatePresence({
  status: PresenceUpdateStatus.Idle,
  activities: [],
  since: null,
  afk: false
})

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  const stdio = yield* Stdio.Stdio
  const stopped = yield* Deferred.make<void>()
  const answer = ({ ask, guild = "", times = 1 }: typeof Request.Type) => {
    if (ask === "stop") return Deferred.succeed(stopped, undefined)
    const once =
      ask === "presence"
        ? gateway.send(presence, { timeout: "2 minutes" })
        : Stream.runDrain(gateway.requestGuildMembers({ guild_id: guild, query: "", limit: 0 }))
    return Effect.forEach(Array.from({ length: times }), () => Effect.forkScoped(Effect.catch(once, problem)), {
      discard: true
    })
  }
  yield* stdio.stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.mapEffect((line) => Schema.decodeEffect(Request)(line)),
    Stream.runForEach(answer),
    Effect.forkScoped
  )
  yield* Effect.race(Stream.runForEach(gateway.payloads, delivered), Deferred.await(stopped))
}).pipe(
  Effect.scoped,
  Effect.provide(
    Layer.unwrap(
      Effect.gen(function* () {
        const shards = yield* Config.withDefault(Config.Int("INCIDENT_SHARDS"), 1)
        const sessions = yield* Config.option(Config.String("INCIDENT_SESSIONS"))
        const probe = yield* Config.option(Config.String("INCIDENT_PROBE"))
        const hurried = yield* Config.withDefault(Config.Boolean("INCIDENT_HURRIED"), false)
        const gateway = Option.match(sessions, {
          onNone: () => NodeGateway.layer,
          onSome: (path) => NodeGateway.layerWithSessionFile(path)
        })
        return Layer.provide(
          gateway,
          GatewayConfig.layerEnvWith({
            // Every intent but those of polls, as the other clients.
            intents: 3276799,
            shards,
            ...(Option.isNone(probe)
              ? {}
              : { silenceProbe: { atLeast: "1 second", atMost: "1 second", answerWithin: "1 second" } }),
            ...(hurried ? { timeouts: { open: "3 seconds", hello: "3 seconds", resumed: "3 seconds" } } : {})
          })
        )
      })
    )
  )
)

bot.pipe(
  Effect.catch((error) => problem(error)),
  // A process that has stopped its bot goes on, as that of a peer does.
  Effect.andThen(Effect.never),
  Effect.provide(Layer.mergeAll(NodeStdio.layer, Logger.layer([]))),
  NodeRuntime.runMain
)
