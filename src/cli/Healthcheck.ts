/**
 * Program of `disruption-gateway run --healthcheck`: asks a running `run --dashboard` whether it is alive, for containers.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Address, urlOf } from "./Address.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"

/** The process is not alive, or is not there. */
export class Unhealthy extends Schema.TaggedError<Unhealthy>("disruption-gateway/Unhealthy")("Unhealthy", {
  address: Schema.String,
  description: Schema.String
}) {
  override get message() {
    return `${this.address}: ${this.description}`
  }
}

/** Containers give a check some seconds; Docker's default is 30. */
const patience = "5 seconds"

/** The address at which a server on this one is reached from the same computer. */
const reachable = (address: Address): Address => {
  if (address.host === "0.0.0.0") return { ...address, host: "127.0.0.1" }
  return address.host === "::" ? { ...address, host: "::1" } : address
}

const ask = (url: string, path: string) =>
  Effect.flatMap(HttpClient.get(`${url}${path}`), (response) =>
    Effect.map(response.text, (text) => ({ isWell: response.status === 200, text: text.trim() }))
  )

/** Prints what the process says. Fails, with exit code 1, where it is not alive or does not answer. */
export const check = Effect.fn(
  function* (dashboard: Option.Option<Address>) {
    if (Option.isNone(dashboard)) {
      return yield* new Unhealthy({
        address: "--healthcheck",
        description: "it takes --dashboard with the address of the process that it asks: --dashboard 127.0.0.1:8080"
      })
    }
    const url = urlOf(reachable(dashboard.value))
    const { alive, ready } = yield* Effect.all({ alive: ask(url, "livez"), ready: ask(url, "readyz") }).pipe(
      Effect.timeout(patience),
      Effect.mapError(({ message }) => new Unhealthy({ address: url, description: message })),
      Effect.provide(NodeHttpClient.layerNodeHttp)
    )
    if (!alive.isWell) return yield* new Unhealthy({ address: url, description: alive.text })
    yield* StandardOutput.writeLine(ready.isWell ? "alive and ready" : `alive: ${ready.text}`)
  },
  Effect.mapError((error) => StandardError.failure(error))
)
