/**
 * Probes of a bot that runs in one process, as routes of `effect/http`, for a container's supervisor; a machine of a cluster has
 * `ClusterHealth`.
 *
 * Liveness says whether the process can still do its work, not how Discord is doing: a supervisor restarts what is not alive, and
 * a restart mends no outage. It costs IDENTIFYs where sessions are not kept.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Gateway } from "../gateway/Gateway.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"

/** The answer of a probe: whether all is well, and a line for people. */
interface Probe {
  readonly isWell: boolean
  readonly text: string
}

/** Whether shards have ended for good, which only a person and a new start mend. */
const liveness = (shards: ReadonlyArray<ShardStatus>): Probe => {
  const stopped = shards.find(({ state }) => state === "stopped")
  if (stopped === undefined) return { isWell: true, text: "ok" }
  const reason = Option.match(stopped.lastReason, { onNone: () => "", onSome: ({ message }) => `: ${message}` })
  return { isWell: false, text: `shard ${stopped.shard.id} has stopped${reason}` }
}

/** Whether every shard has a session at the moment. */
const readiness = (shards: ReadonlyArray<ShardStatus>): Probe => {
  const ready = shards.filter(({ state }) => state === "ready").length
  return ready > 0 && ready === shards.length
    ? { isWell: true, text: "ok" }
    : { isWell: false, text: `${ready} of ${shards.length} shards are ready` }
}

const headers = { "cache-control": "no-store" }

const answer = ({ isWell, text }: Probe) =>
  HttpServerResponse.text(`${text}\n`, { status: isWell ? 200 : 503, headers })

const routes = Effect.gen(function* () {
  const { shards } = yield* Gateway
  const probe = (path: HttpRouter.PathInput, judge: (shards: ReadonlyArray<ShardStatus>) => Probe) =>
    HttpRouter.route(
      "GET",
      path,
      Effect.map(shards, (shards) => answer(judge(shards)))
    )
  return [
    probe("/livez", liveness),
    probe("/readyz", readiness),
    HttpRouter.route(
      "GET",
      "/shards",
      Effect.map(shards, (shards) =>
        HttpServerResponse.jsonUnsafe(
          shards.map(({ shard, since, state }) => ({
            shard: shard.toString(),
            state,
            since: DateTime.formatIso(since)
          })),
          { headers }
        )
      )
    )
  ]
})

/**
 * `GET /livez` answers 200 until a shard has ended for good, and then 503 with the reason; `GET /readyz` 200 while every shard has
 * a session, and otherwise 503 with their number; `GET /shards` how they are doing, as JSON.
 *
 * ```ts
 * HttpRouter.serve(GatewayHealth.layer).pipe(Layer.provide(NodeHttpServer.layer(createServer, { port: 8080 })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | Gateway> = HttpRouter.addAll(routes)
