/**
 * Diagnosis of a configuration against Discord: the checks of `disruption-gateway doctor`. It asks two questions over HTTP, and
 * costs no IDENTIFY.
 */
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import * as BotApplication from "./BotApplication.ts"
import * as Finding from "./Finding.ts"

/** Runs every check that the answers allow. */
export const diagnose: Effect.Effect<
  ReadonlyArray<Finding.Finding>,
  never,
  GatewayConfig | GatewayDirectory | HttpClient.HttpClient
> = Effect.gen(function* () {
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory
  const answer = yield* Effect.result(directory.fetch)
  if (Result.isFailure(answer)) return [ofFailure(answer.failure)]
  const { info } = answer.success
  const asked = yield* Effect.result(BotApplication.ask)
  const application = Option.map(Result.getSuccess(asked), ({ application }) => application)
  const ofApplication: ReadonlyArray<Finding.Finding> = Result.match(asked, {
    onFailure: ({ message }) => [
      { check: "token", level: "fine", text: "Discord takes it" },
      { check: "intents", level: "advice", text: `which ones the bot may use is not known: ${message}` }
    ],
    onSuccess: ({ application }) => [Finding.ofToken(application), Finding.ofIntents(config, application)]
  })
  return [
    ...ofApplication,
    Finding.ofShards(config, info, application),
    Finding.ofBudget(config, info),
    Finding.ofClock(Option.flatMap(Result.getSuccess(asked), ({ ahead }) => ahead))
  ]
})

/** Finding of a failure that ends the examination: every message of a `GatewayError` says what to do. */
export const ofFailure = ({ reason }: GatewayError): Finding.Finding => ({
  check:
    reason._tag === "AuthenticationFailed" ? "token" : reason._tag === "InvalidConfig" ? "configuration" : "connection",
  level: "wrong",
  text: reason.message
})
