/**
 * The dashboard as routes of `effect/http`, which any program can mount: the page, its style and its script, and the
 * events that keep it up to date.
 *
 * It only reads, and what it tells is meant for anybody who may see the page: no payloads, no token, no session's id.
 * Who that is decides the program, by where it serves the routes.
 */
import type * as Sse from "effect/encoding/Sse"
import { encoder } from "effect/encoding/Sse"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { GatewaySnapshot } from "../schema/GatewaySnapshot.ts"
import type { Gateway } from "../gateway/Gateway.ts"
import { GatewayMonitor } from "../gateway/GatewayMonitor.ts"
import * as DashboardEvent from "./DashboardEvent.ts"
import { page } from "./Page.ts"
import { script } from "./PageScript.ts"
import { style } from "./PageStyle.ts"

/** Where the page is, and what it is called. */
export interface DashboardOptions {
  /** The path of the page. Default: `/gateway`. */
  readonly path?: `/${string}` | undefined
  /** The page's title. Default: `Discord gateway`. */
  readonly title?: string | undefined
}

/** Nothing is loaded but what these routes serve, and no other page may hold this one in a frame. */
const securityHeaders = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store"
}

/** The dashboard at a path of your choice. */
export const layerWith = (options: DashboardOptions): Layer.Layer<never, never, HttpRouter.HttpRouter | Gateway> =>
  layerOfMonitor(options).pipe(Layer.provide(GatewayMonitor.layer))

/** The dashboard of what a `GatewayMonitor` of your choice watches. */
export const layerOfMonitor = (
  options: DashboardOptions
): Layer.Layer<never, never, HttpRouter.HttpRouter | GatewayMonitor> => {
  const path = (options.path ?? "/gateway").replace(/\/+$/, "")
  const at = (name: string): HttpRouter.PathInput => `/${`${path}/${name}`.slice(1)}`

  const routes = Effect.gen(function* () {
    const monitor = yield* GatewayMonitor
    const update = lastOnly(DashboardEvent.update)
    const toEvents = (sent: number, snapshot: GatewaySnapshot): readonly [number, ReadonlyArray<Sse.Event>] => {
      const isFirst = sent < 0
      const changes = snapshot.changes.filter(({ number }) => number > sent)
      return [
        snapshot.changes.at(-1)?.number ?? 0,
        [
          ...(isFirst ? [DashboardEvent.history(snapshot)] : []),
          update(snapshot),
          ...(changes.length > 0 ? [DashboardEvent.changes(changes)] : [])
        ]
      ]
    }
    const events = HttpServerResponse.stream(
      monitor.snapshots.pipe(
        Stream.mapAccum(() => -1, toEvents),
        Stream.map(encoder.write),
        Stream.encodeText
      ),
      // A proxy that waits for the end of an answer would wait for ever.
      { contentType: "text/event-stream", headers: { ...securityHeaders, "x-accel-buffering": "no" } }
    )
    const html = text(page(options.title ?? "Discord gateway"), "text/html")
    // The page's links are relative, so that it works behind a proxy that serves it elsewhere; so its path ends with "/".
    const moved = HttpServerResponse.redirect(`${path.split("/").at(-1)}/`)
    return [
      HttpRouter.route("GET", at(""), ({ originalUrl }) =>
        Effect.succeed(path === "" || pathOf(originalUrl).endsWith("/") ? html : moved)
      ),
      HttpRouter.route("GET", at("page.css"), text(style, "text/css")),
      HttpRouter.route("GET", at("page.js"), text(script, "text/javascript")),
      HttpRouter.route("GET", at("events"), events)
    ]
  })
  return HttpRouter.addAll(routes)
}

const text = (body: string, contentType: string) =>
  HttpServerResponse.text(body, { contentType: `${contentType}; charset=utf-8`, headers: securityHeaders })

const pathOf = (url: string): string => url.replace(/[?#].*$/, "")

/** Computes what many viewers are told at the same time only once. */
const lastOnly = <A extends object, B>(f: (input: A) => B): ((input: A) => B) => {
  const results = new WeakMap<A, { readonly value: B }>()
  return (input) => {
    const known = results.get(input) ?? { value: f(input) }
    results.set(input, known)
    return known.value
  }
}

/**
 * The dashboard, at `/gateway`.
 *
 * ```ts
 * HttpRouter.serve(GatewayDashboard.layer).pipe(
 *   Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 8080 }))
 * ) // at http://127.0.0.1:8080/gateway/
 * ```
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | Gateway> = layerWith({})
