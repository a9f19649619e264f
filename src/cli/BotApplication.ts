/**
 * GET /applications/@me: the bot's application, of which `doctor` takes the flags for privileged intents, and Discord's time.
 *
 * Discord, "Get Current Application": https://discord.com/developers/docs/resources/application#get-current-application
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { bodyOf } from "../services/ResponseBody.ts"
import { userAgent } from "../version.ts"

/** The fields of the application that matter here. */
export const BotApplication = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  flags: Schema.optionalKey(Schema.Int),
  approximate_guild_count: Schema.optionalKey(Schema.Int)
})

/** The bot's application. */
export interface BotApplication extends Schema.Schema.Type<typeof BotApplication> {}

/** GET /applications/@me has no good answer. The description has nothing of the token. */
export class ApplicationUnavailable extends Schema.TaggedError<ApplicationUnavailable>(
  "disruption-gateway/ApplicationUnavailable"
)("ApplicationUnavailable", { description: Schema.String }) {
  override get message() {
    return `GET /applications/@me: ${this.description}`
  }
}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(BotApplication))

const unavailable = (description: string) => new ApplicationUnavailable({ description })

/** Asks for the application, and for how far this computer's clock is ahead of Discord's, in milliseconds. */
export const ask = Effect.gen(function* () {
  const { apiUrl, timeouts, token } = yield* GatewayConfig
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const before = yield* Clock.currentTimeMillis
  return yield* HttpClientRequest.get(`${apiUrl}/applications/@me`).pipe(
    HttpClientRequest.setHeaders({ authorization: `Bot ${Redacted.value(token)}`, "user-agent": userAgent }),
    client.execute,
    Effect.mapError(() => unavailable("no answer")),
    Effect.flatMap((response) =>
      Effect.gen(function* () {
        const after = yield* Clock.currentTimeMillis
        if (response.status !== 200) return yield* unavailable(`Discord answered ${response.status}`)
        const application = yield* bodyOf(response).pipe(
          Effect.flatMap(decode),
          Effect.mapError(() => unavailable("the answer is not what Discord documents"))
        )
        return { application, ahead: aheadOf(response.headers["date"], (before + after) / 2) }
      })
    ),
    Effect.scoped,
    Effect.timeoutOrElse({ duration: timeouts.directory, orElse: () => Effect.fail(unavailable("no answer in time")) }),
    // No trace headers for Discord.
    Effect.provideService(HttpClient.TracerPropagationEnabled, false)
  )
})

/** The header has whole seconds, cut off: half of one is its average error. */
const aheadOf = (date: string | undefined, now: number): Option.Option<number> =>
  Option.map(
    Option.flatMap(Option.fromUndefinedOr(date), DateTime.make),
    (at) => now - 500 - DateTime.toEpochMillis(at)
  )
