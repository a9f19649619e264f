/**
 * The dashboard as routes of `effect/http`, which any program can mount: the page, its style, its script, and a stream of
 * server-sent events.
 *
 * It is read-only and shows no payloads, no token and no session id. It has no access control but a check of the name under
 * which it is asked for: the program decides where to serve the routes.
 *
 * @since 0.1.0
 */
import type * as Sse from "effect/encoding/Sse"
import { encoder } from "effect/encoding/Sse"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { GatewaySnapshot } from "../schema/GatewaySnapshot.ts"
import type { Gateway } from "../gateway/Gateway.ts"
import { GatewayMonitor } from "../gateway/GatewayMonitor.ts"
import { isAllowedHost } from "./AllowedHosts.ts"
import * as DashboardEvent from "./DashboardEvent.ts"
import { page } from "./Page.ts"
import { script } from "./PageScript.ts"
import { style } from "./PageStyle.ts"

/**
 * Path and title of the page.
 *
 * @category models
 * @since 0.1.0
 */
export interface DashboardOptions {
  /** Path of the page. Default: `/gateway`. */
  readonly path?: `/${string}` | undefined
  /** Title of the page. Default: `Discord gateway`. */
  readonly title?: string | undefined
  /**
   * Names under which the page may be asked for, such as `status.example.com`; any other name is answered by 421, since it may
   * be that of a page which wants to read this one (DNS rebinding). The loopback's names and bare IP addresses always may.
   * `"any"` where something in front of it checks them. Default: none.
   */
  readonly hosts?: ReadonlyArray<string> | "any" | undefined
}

/** Security headers: the page loads only these routes, and cannot be framed. */
const securityHeaders = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store"
}

/**
 * The dashboard with another path or title.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: DashboardOptions): Layer.Layer<never, never, HttpRouter.HttpRouter | Gateway> =>
  layerOfMonitor(options).pipe(Layer.provide(GatewayMonitor.layer))

/**
 * The dashboard of your own `GatewayMonitor`.
 *
 * @category layers
 * @since 0.1.0
 */
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
      // Disables buffering in proxies such as nginx: the stream has no end.
      { contentType: "text/event-stream", headers: { ...securityHeaders, "x-accel-buffering": "no" } }
    )
    const route = (
      name: string,
      answer: (request: HttpServerRequest.HttpServerRequest) => HttpServerResponse.HttpServerResponse
    ) =>
      HttpRouter.route("GET", at(name), (request) =>
        Effect.succeed(isAllowedHost(request.headers["host"], options.hosts ?? []) ? answer(request) : misdirected)
      )
    const html = text(page(options.title ?? "Discord gateway"), "text/html")
    // Redirect to the path with "/" at its end: the page's links are relative, for proxies that serve it at another
    // path.
    const moved = HttpServerResponse.redirect(`${path.split("/").at(-1)}/`)
    return [
      route("", ({ originalUrl }) => (path === "" || pathOf(originalUrl).endsWith("/") ? html : moved)),
      route("page.css", () => text(style, "text/css")),
      route("page.js", () => text(script, "text/javascript")),
      route("events", () => events)
    ]
  })
  return HttpRouter.addAll(routes)
}

const text = (body: string, contentType: string) =>
  HttpServerResponse.text(body, { contentType: `${contentType}; charset=utf-8`, headers: securityHeaders })

const misdirected = HttpServerResponse.text(
  "The dashboard is not served under this name. The option hosts of GatewayDashboard.layerWith lists the names that are.\n",
  { status: 421, headers: securityHeaders }
)

const pathOf = (url: string): string => url.replace(/[?#].*$/, "")

/** Memoization by input: many viewers share one computed event. */
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
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | Gateway> = layerWith({})
