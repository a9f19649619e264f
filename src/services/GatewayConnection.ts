/**
 * One WebSocket connection: decoded payloads in, payloads out, and a close that suits how it ended.
 *
 * Its scope is the connection: nothing of it is left when the scope has closed. A scope that closes because the
 * connection failed drops the transport without waiting for the peer, which may be dead; any other closes it properly.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constTrue } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { Compression, TransportCompression } from "../schema/Compression.ts"
import { ConnectionClosed, OpenFailed } from "../schema/ConnectionError.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason, reasonOfClose } from "../schema/GatewayError.ts"
import { hostOf, withQuery } from "../schema/GatewayUrl.ts"
import type { ShardId } from "../schema/ShardId.ts"
import * as BotMetrics from "./BotMetrics.ts"
import { Decompression } from "./Decompression.ts"
import * as DispatchTally from "./DispatchTally.ts"
import { FrameDecoder } from "./FrameDecoder.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { type ConnectionBatch, SocketInbox, type SocketEnd } from "./SocketInbox.ts"

/** An open connection. */
export interface OpenConnection {
  /**
   * The next payloads, at least one, in order, with an error in the place of what is none, and a number (its sequence) in
   * the place of a dispatch that nobody asked for. Fails with why the connection has ended, after all that came before the
   * end was handed over. Nothing is read from the socket between two calls, beyond a small buffer.
   */
  readonly receive: Effect.Effect<ConnectionBatch, GatewayError>
  /** Sends a text frame. Ends when it was handed to the socket. */
  readonly send: (frame: string) => Effect.Effect<void, GatewayError>
}

/** Opens connections. Replace it to put another transport in place. */
export class GatewayConnection extends Context.Service<
  GatewayConnection,
  {
    /**
     * Connects to a gateway URL, to which version, encoding and compression are added. Fails with `OpenFailed`, or with
     * `InvalidConfig` where the runtime does not know the compression.
     *
     * `closeCode` is used when the scope closes without a failure; 1000 and 1001 end the session.
     */
    readonly open: (options: {
      readonly url: string
      readonly shard: ShardId
      readonly closeCode: number
      /** Whether to use the configured compression. */
      readonly compress: boolean
      /**
       * The dispatches that the program wants at the moment; undefined for all. Others need not be decoded: a number in their
       * place says their sequence.
       */
      readonly wanted: () => ReadonlySet<string> | undefined
    }) => Effect.Effect<OpenConnection, GatewayError, Scope.Scope>
  }
>()("disruption-gateway/GatewayConnection") {
  /** Over `effect/socket`, with the WebSocket that `WebSocketConstructor` makes. */
  static readonly layer: Layer.Layer<GatewayConnection, never, GatewayConfig | Socket.WebSocketConstructor> =
    Layer.effect(
      GatewayConnection,
      Effect.gen(function* () {
        const config = yield* GatewayConfig
        const construct = yield* Socket.WebSocketConstructor
        const decompressors = yield* Decompression
        const tally = yield* DispatchTally.make(yield* BotMetrics.contextOf(config.token))
        const chosen = config.compression === "auto" ? (decompressors.transports[0] ?? "none") : config.compression

        const open: GatewayConnection["Service"]["open"] = Effect.fnUntraced(function* ({
          closeCode,
          compress,
          shard,
          url,
          wanted
        }) {
          const host = hostOf(url)
          const failed = (reason: GatewayErrorReason) => new GatewayError({ reason, shard: shard.id })
          const openFailed = (description: string) => failed(new OpenFailed({ host, description }))

          const compression = compress ? chosen : "none"
          if (isTransport(compression) && !decompressors.transports.includes(compression)) {
            return yield* failed(
              new InvalidConfig({
                option: "compression",
                description: `this runtime cannot inflate ${compression}, it takes ${decompressors.transports.join(" or ")}`
              })
            )
          }
          const href = withQuery(url, isTransport(compression) ? compression : undefined)
          if (Option.isNone(href)) return yield* openFailed(`"${url}" is not a URL`)

          const decoder = new FrameDecoder({
            shard: shard.id,
            limit: config.maxPayloadBytes,
            wanted,
            tally,
            decompress:
              compression === "none" ? undefined : yield* decompressors.make(compression, config.maxPayloadBytes),
            isCompressed: compression === "payload" ? beginsZlib : constTrue
          })
          const { inbox, ws } = yield* Effect.acquireRelease(
            Effect.try({
              try: () => {
                const ws = construct(href.value)
                return { ws, inbox: new SocketInbox(ws, decoder) }
              },
              catch: (cause) => openFailed(cause instanceof Error ? cause.message : "the WebSocket cannot be made")
            }),
            ({ inbox, ws }, exit) => {
              inbox.close()
              return release(ws, exit, { closeCode, timeout: config.timeouts.close })
            }
          )
          yield* inbox.opened().pipe(
            Effect.mapError((end) => openFailed(describeEnd(end))),
            Effect.timeoutOrElse({
              duration: config.timeouts.open,
              orElse: () => Effect.fail(openFailed("it did not open in time"))
            })
          )

          return {
            receive: Effect.mapError(inbox.take(), (end) =>
              failed(
                end._tag === "Closed"
                  ? reasonOfClose(end.code, withoutToken(end.reason, config.token), { shard, intents: config.intents })
                  : new ConnectionClosed({ code: 1006, closeReason: end.description })
              )
            ),
            send: (frame) =>
              Effect.try({
                try: () => ws.send(frame),
                catch: (cause) =>
                  failed(
                    new ConnectionClosed({
                      code: 1006,
                      closeReason: cause instanceof Error ? cause.message : "the frame cannot be sent"
                    })
                  )
              })
          }
        })

        return GatewayConnection.of({ open })
      })
    )
}

const isTransport = (compression: Compression): compression is TransportCompression => compression.endsWith("-stream")

/** A zlib stream of its own begins like no JSON does. */
const beginsZlib = (frame: Uint8Array): boolean => frame[0] === 0x78

// ---------------------------------------------------------------------------------------------------------------------
// The end of a connection
// ---------------------------------------------------------------------------------------------------------------------

/** Keeps the session at Discord; used for connections that we give up. */
const reconnectCode = 4000

const release = (
  ws: Socket.WebSocketLike,
  exit: Exit.Exit<unknown, unknown>,
  options: { readonly closeCode: number; readonly timeout: Duration.Duration }
): Effect.Effect<void> =>
  Exit.hasFails(exit)
    ? Effect.sync(() => {
        if (ws.readyState <= openState) ws.close(reconnectCode)
        terminate(ws)
      })
    : Effect.callback<void>((resume) => {
        if (ws.readyState === closedState) return resume(Effect.void)
        ws.addEventListener("close", () => resume(Effect.void), { once: true })
        ws.close(options.closeCode)
      }).pipe(Effect.timeoutOption(options.timeout), Effect.andThen(Effect.sync(() => terminate(ws))))

const openState = 1
const closedState = 3

/** Browsers know no such thing: there the close above has to do. */
const terminate = (ws: Socket.WebSocketLike): void => {
  if (ws.readyState !== closedState && "terminate" in ws && Predicate.isFunction(ws.terminate)) ws.terminate()
}

// ---------------------------------------------------------------------------------------------------------------------
// What went wrong, in words
// ---------------------------------------------------------------------------------------------------------------------

const describeEnd = (end: SocketEnd): string =>
  end._tag === "Broken" ? end.description : `closed with ${end.code}${end.reason === "" ? "" : ` ${end.reason}`}`

/** A close reason is the peer's text; should it echo the token, we do not pass it on. */
const withoutToken = (text: string, token: Redacted.Redacted<string>): string =>
  text.replaceAll(Redacted.value(token), "<redacted>")
