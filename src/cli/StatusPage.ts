/**
 * The status page that `run --dashboard` serves.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { GatewayDashboard } from "../dashboard/GatewayDashboard.ts"
import type { Gateway } from "../services/Gateway.ts"

/** Where the page is served. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Nothing can be served there. */
export class AddressUnavailable extends Schema.TaggedError<AddressUnavailable>()("AddressUnavailable", {
  address: Schema.String,
  description: Schema.String
}) {
  override get message() {
    return `--dashboard ${this.address}: ${this.description}`
  }
}

const loopback = "127.0.0.1"

/** Reads `127.0.0.1:8080`, `[::1]:8080`, and `8080` for the loopback. */
export const parseAddress = (text: string): Result.Result<Address, string> => {
  const [, bracketed, plain, digits = ""] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text.trim()) ?? []
  const port = Number(digits)
  return digits === "" || port > 65_535
    ? Result.fail(`"${text}" is not an address: it takes a host and a port, such as 127.0.0.1:8080`)
    : Result.succeed({ host: bracketed ?? plain ?? loopback, port })
}

/** The page's URL. */
export const urlOf = ({ host, port }: Address): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}/`

/** Whether only this computer can reach it. */
export const isLocal = ({ host }: Address): boolean => host === "localhost" || host === "::1" || host.startsWith("127.")

/** Serves the page until the scope closes. */
export const serve = (address: Address): Effect.Effect<void, AddressUnavailable, Gateway | Scope.Scope> =>
  Layer.build(
    HttpRouter.serve(GatewayDashboard.layerWith({ path: "/" }), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(NodeHttpServer.layer(createServer, { ...address, gracefulShutdownTimeout: 0 }))
    )
  ).pipe(
    Effect.asVoid,
    Effect.mapError(({ cause }) => {
      const description = cause instanceof Error ? cause.message : String(cause)
      return new AddressUnavailable({ address: `${address.host}:${address.port}`, description })
    })
  )
