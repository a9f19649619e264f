/**
 * REST API of the simulator: GET /gateway, GET /gateway/bot, the bot's user and application, and the creation of a message, under any
 * version.
 *
 * Discord, "Get Gateway Bot": https://discord.com/developers/docs/events/gateway#get-gateway-bot
 */
import * as Duration from "effect/Duration"
import { application } from "./Application.ts"
import { bot } from "./Bot.ts"
import * as ChannelMessages from "./ChannelMessages.ts"
import type { HttpFault } from "./Fault.ts"
import { headersOf } from "./HttpHeaders.ts"
import type { SimulatedDiscord } from "./SimulatedDiscord.ts"

/** Request, reduced to the parts that matter. */
export interface RestRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  /** Text of the body; undefined where there is none. */
  readonly body: string | undefined
}

/** Answer, or by a fault a broken connection (`unreachable`) or none at all (`ignore`). */
export type RestAnswer =
  | "unreachable"
  | "ignore"
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }

/** Answers a request and records it. */
export const answer = (discord: SimulatedDiscord, request: RestRequest): RestAnswer => {
  const fault = discord.faults.meet("http")?.answer
  const given = fault === undefined ? rightAnswer(discord, request) : wrongAnswer(fault)
  discord.counts.httpRequests += 1
  discord.requests.push({
    at: discord.timers.now(),
    method: request.method,
    path: request.path,
    body: request.body,
    status: typeof given === "string" ? undefined : given.status
  })
  if (typeof given === "string") return given
  return { ...given, headers: { date: new Date(discord.timers.now()).toUTCString(), ...given.headers } }
}

const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): RestAnswer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body)
})

const rightAnswer = (discord: SimulatedDiscord, request: RestRequest): RestAnswer => {
  const { gatewayUrl } = discord.settings
  const channel = /\/channels\/(\d+)\/messages$/.exec(request.path)?.[1]
  if (channel !== undefined) {
    if (request.method !== "POST") return json(405, { message: "405: Method Not Allowed", code: 0 })
    if (request.authorization !== `Bot ${discord.token}`) return json(401, { message: "401: Unauthorized", code: 0 })
    const { body, status } = ChannelMessages.create(discord, channel, request.body)
    return json(status, body)
  }
  const resource = resources.find((path) => request.path.endsWith(path))
  if (resource === undefined) return json(404, { message: "404: Not Found", code: 0 })
  if (request.method !== "GET") return json(405, { message: "405: Method Not Allowed", code: 0 })
  if (resource === "/gateway") return json(200, { url: gatewayUrl })
  if (request.authorization !== `Bot ${discord.token}`) return json(401, { message: "401: Unauthorized", code: 0 })
  if (resource === "/users/@me") return json(200, bot)
  if (resource === "/applications/@me") return json(200, application(discord.settings, discord.guilds.size))
  return json(200, {
    url: gatewayUrl,
    shards: discord.recommendedShards,
    session_start_limit: discord.limits.sessionStartLimit(discord.timers.now())
  })
}

/** Ends of paths. `/oauth2/applications/@me` is an older name of the application. */
const resources = ["/gateway/bot", "/gateway", "/users/@me", "/applications/@me"] as const

const wrongAnswer = (fault: HttpFault): RestAnswer => {
  if (fault === "malformed") return { status: 200, headers: { "content-type": "application/json" }, body: `{"url":` }
  if (fault === "unreachable" || fault === "ignore") return fault
  const { retryAfter = "1 second", status } = fault
  if (status !== 429) {
    return json(status, { message: `${status}: ${statusTexts[status] ?? "Error"}`, code: 0 }, headersOf(fault))
  }
  const seconds = Duration.toSeconds(Duration.fromInputUnsafe(retryAfter))
  return json(
    429,
    { message: "You are being rate limited.", retry_after: seconds, global: false },
    { ...headersOf({ retryAfter, ...fault }), "x-ratelimit-reset-after": String(seconds) }
  )
}

const statusTexts: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable"
}
