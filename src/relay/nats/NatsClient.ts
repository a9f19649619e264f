/**
 * Connection to NATS, which the broker and the owner of the sessions share.
 *
 * @since 0.1.0
 */
import { connect, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { failureText } from "../../services/FailureText.ts"
import { RelayBrokerError } from "../RelayBroker.ts"

/**
 * The connection to NATS.
 *
 * @since 0.1.0
 * @category services
 */
export class NatsClient extends Context.Service<NatsClient, NatsConnection>()(
  "disruption-gateway/relay/nats/NatsClient"
) {
  /**
   * Connects, and again whenever the connection is lost. The options are those of the client: `servers`, `token`, `user`, `pass`, `tls`, …
   * Fails where no server answers.
   *
   * ```ts
   * NatsClient.layer({ servers: "nats://127.0.0.1:4222" })
   * ```
   */
  static readonly layer = (options: NodeConnectionOptions): Layer.Layer<NatsClient, RelayBrokerError> =>
    Layer.effect(
      NatsClient,
      Effect.acquireRelease(
        Effect.tryPromise({
          try: () =>
            connect({
              name: "disruption-gateway",
              maxReconnectAttempts: -1,
              reconnectTimeWait: 100,
              ignoreAuthErrorAbort: true,
              ...options
            }),
          catch: (error) => new RelayBrokerError({ description: `NATS does not answer: ${failureText(error)}` })
        }),
        (connection) => Effect.promise(() => connection.close())
      )
    )
}
