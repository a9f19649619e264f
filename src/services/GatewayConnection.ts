/**
 * One WebSocket connection: decoded payloads in, frames out.
 *
 * The scope owns the connection. Closing it after a failure drops the transport without waiting for a peer that may be
 * dead; otherwise it waits for the closing handshake.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constFalse, constTrue } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { GatewayCompression, TransportCompression } from "../schema/Compression.ts"
import { ConnectionClosed, OpenFailed, SendStalled } from "../schema/ConnectionError.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason, reasonOfClose } from "../schema/GatewayError.ts"
import { hostOf, withQuery } from "../schema/GatewayUrl.ts"
import type { ShardId } from "../schema/ShardId.ts"
import * as BotMetrics from "./BotMetrics.ts"
import { Decompression } from "./Decompression.ts"
import * as DispatchTally from "./DispatchTally.ts"
import { FrameDecoder } from "./FrameDecoder.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { readRetryAfter } from "./RetryAfter.ts"
import { type ConnectionBatch, SocketInbox, type SocketEnd } from "./SocketInbox.ts"
import { maskOf } from "./TokenConcealment.ts"
import { refusalHeaders } from "./UpgradeRefusal.ts"

/**
 * An open connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenConnection {
  /**
   * The next payloads in order, at least one. A malformed payload is replaced by its error, and a dispatch that
   * `events` leaves out by its sequence. After the last payload it fails with the reason for the connection's end.
   * Between two calls only a small buffer is read from the socket.
   */
  readonly receive: Effect.Effect<ConnectionBatch, GatewayError>
  /**
   * Sends a text frame. Returns when the socket has taken it. Fails with `SendStalled` where over 1 MiB waits in the socket
   * already.
   */
  readonly send: (frame: string) => Effect.Effect<void, GatewayError>
}

/**
 * Opens connections. Replace it to use another transport.
 *
 * @category services
 * @since 0.1.0
 */
export class GatewayConnection extends Context.Service<
  GatewayConnection,
  {
    /**
     * Connects to a gateway URL, to which version, encoding and compression are added. Fails with `OpenFailed`, or with
     * `InvalidConfig` if the runtime lacks the compression.
     *
     * `closeCode` is sent when the scope closes without a failure; 1000 and 1001 end the session at Discord
     * ("Initiating a Disconnect": https://discord.com/developers/docs/events/gateway#initiating-a-disconnect).
     */
    readonly open: (options: {
      readonly url: string
      readonly shard: ShardId
      readonly closeCode: number
      /** Uses the configured compression; false connects without any. */
      readonly compress: boolean
      /**
       * The dispatches that the program wants at the moment; undefined for all. Others need not be decoded: a number in their
       * place says their sequence.
       */
      readonly wanted: () => ReadonlySet<string> | undefined
      /** Whether the program only passes dispatches on, which then need not be parsed. Default: never. */
      readonly passesOn?: (() => boolean) | undefined
    }) => Effect.Effect<OpenConnection, GatewayError, Scope.Scope>
  }
>()("disruption-gateway/services/GatewayConnection") {
  /** Connections over the WebSockets of `effect/socket`'s `WebSocketConstructor`. */
  static readonly layer: Layer.Layer<GatewayConnection, never, GatewayConfig | Socket.WebSocketConstructor> =
    Layer.effect(
      GatewayConnection,
      Effect.gen(function* () {
        const config = yield* GatewayConfig
        const mask = maskOf(config.token)
        const construct = yield* Socket.WebSocketConstructor
        const decompressors = yield* Decompression
        const tally = yield* DispatchTally.make(yield* BotMetrics.contextOf(config.token))
        const chosen = config.compression === "auto" ? (decompressors.transports[0] ?? "none") : config.compression

        const open: GatewayConnection["Service"]["open"] = Effect.fnUntraced(function* ({
          closeCode,
          compress,
          passesOn = constFalse,
          shard,
          url,
          wanted
        }) {
          const host = mask(hostOf(url))
          const failed = (reason: GatewayErrorReason) => new GatewayError({ reason, shard: shard.id })
          const openFailed = (description: string, retryAfter = Option.none<Duration.Duration>()) =>
            failed(
              new OpenFailed({
                host,
                description: mask(description),
                ...Option.match(retryAfter, { onNone: () => ({}), onSome: (retryAfter) => ({ retryAfter }) })
              })
            )

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
            passesOn,
            mask,
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
            Effect.catch((end) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) =>
                Effect.fail(openFailed(describeEnd(end), readRetryAfter(refusalHeaders(ws), now)))
              )
            ),
            Effect.timeoutOrElse({
              duration: config.timeouts.open,
              orElse: () => Effect.fail(openFailed("it did not open in time"))
            })
          )

          return {
            receive: Effect.mapError(inbox.take(), (end) =>
              failed(
                end._tag === "Closed"
                  ? reasonOfClose(end.code, mask(end.reason), { shard, intents: config.intents })
                  : new ConnectionClosed({ code: 1006, closeReason: mask(end.description) })
              )
            ),
            send: (frame) =>
              Effect.suspend(() => {
                const buffered = bufferedIn(ws)
                if (buffered > maxBuffered) return Effect.fail(failed(new SendStalled({ buffered })))
                return Effect.try({
                  try: () => ws.send(frame),
                  catch: (cause) =>
                    failed(
                      new ConnectionClosed({
                        code: 1006,
                        closeReason: cause instanceof Error ? cause.message : "the frame cannot be sent"
                      })
                    )
                })
              })
          }
        })

        return GatewayConnection.of({ open })
      })
    )
}

/** Bytes that may wait in a socket: twice what Discord's limits let us send in a minute. */
const maxBuffered = 1024 * 1024

/** Bytes that wait in a WebSocket, as far as it tells. */
const bufferedIn = (ws: Socket.WebSocketLike): number =>
  Predicate.hasProperty(ws, "bufferedAmount") && typeof ws.bufferedAmount === "number" ? ws.bufferedAmount : 0

const isTransport = (compression: GatewayCompression): compression is TransportCompression =>
  compression.endsWith("-stream")

/** First byte of a zlib header; JSON cannot begin with it. */
const beginsZlib = (frame: Uint8Array): boolean => frame[0] === 0x78

// ---------------------------------------------------------------------------------------------------------------------
// The end of a connection
// ---------------------------------------------------------------------------------------------------------------------

/** Close code for connections that are given up: unlike 1000 and 1001 it keeps the session at Discord. */
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

/** Drops the transport. Browsers' WebSockets cannot, they are only closed. */
const terminate = (ws: Socket.WebSocketLike): void => {
  if (ws.readyState !== closedState && "terminate" in ws && Predicate.isFunction(ws.terminate)) ws.terminate()
}

// ---------------------------------------------------------------------------------------------------------------------
// Messages of errors
// ---------------------------------------------------------------------------------------------------------------------

const describeEnd = (end: SocketEnd): string =>
  end._tag === "Broken" ? end.description : `closed with ${end.code}${end.reason === "" ? "" : ` ${end.reason}`}`
