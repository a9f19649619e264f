/**
 * The voice connections of a bot: joins a channel by op 4, and pairs the dispatches that answer it.
 *
 * Discord answers by VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE, in any order, and by nothing where the bot may not join. A new
 * session of the gateway is in no channel, so that the channel is joined again.
 */
import type { GatewayVoiceServerUpdateDispatchData, GatewayVoiceStateUpdateDispatchData } from "discord-api-types/v10"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import { isDispatch, type Payload } from "../schema/Payload.ts"
import { SendEvent } from "../schema/SendEvent.ts"
import { VoiceDisconnected, VoiceTimeout } from "../schema/VoiceError.ts"
import type { SendOptions } from "./ShardManager.ts"
import type { JoinVoiceChannel, VoiceAdapterMethods, VoiceConnection, VoiceServer } from "./VoiceConnection.ts"

/** Watches the dispatches for voice, and joins. */
export interface VoiceConnections {
  /** Every dispatch that comes. */
  readonly onDispatch: (payload: Payload) => void
  /** The names of dispatches to decode, beside what the program wants; undefined for all. */
  readonly wanted: (names: ReadonlySet<string> | undefined) => ReadonlySet<string> | undefined
  readonly join: (options: JoinVoiceChannel) => Effect.Effect<VoiceConnection, GatewayError, Scope.Scope>
  /** The gateway has ended. */
  readonly end: (error: GatewayError) => void
}

/** The parts that voice connections work with. */
export interface VoiceParts {
  /** The bot's user id, if its token tells it; READY does in any case. */
  readonly userId: string | undefined
  readonly send: (event: SendEvent, options?: SendOptions) => Effect.Effect<void, GatewayError>
  /** Runs an effect beside the gateway. */
  readonly fork: (effect: Effect.Effect<void>) => unknown
}

type State = GatewayVoiceStateUpdateDispatchData
type Server = GatewayVoiceServerUpdateDispatchData

/** News of one guild. */
type News =
  | { readonly _tag: "State"; readonly state: State }
  | { readonly _tag: "Server"; readonly server: Server }
  | { readonly _tag: "SessionLost" }
  | { readonly _tag: "Ended"; readonly error: GatewayError }

/** A connection as its updates see it. */
type View =
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Connected"; readonly server: VoiceServer }
  | { readonly _tag: "Ended"; readonly error: GatewayError }

const waiting: View = { _tag: "Waiting" }

/** The fields that are read here, of which others may be anything. */
const isState = Schema.is(
  Schema.Struct({
    guild_id: Schema.String,
    user_id: Schema.String,
    channel_id: Schema.NullOr(Schema.String),
    session_id: Schema.String
  })
)
const isServer = Schema.is(
  Schema.Struct({ guild_id: Schema.String, token: Schema.String, endpoint: Schema.NullOr(Schema.String) })
)
const isReady = Schema.is(Schema.Struct({ user: Schema.Struct({ id: Schema.String }) }))

/** Op 4 of a library. */
const isVoiceStateUpdate = Schema.is(
  Schema.Struct({
    op: Schema.Literal(GatewayOpcode.VoiceStateUpdate),
    d: Schema.Struct({
      guild_id: Schema.String,
      channel_id: Schema.NullOr(Schema.String),
      self_mute: Schema.Boolean,
      self_deaf: Schema.Boolean
    })
  })
)

const voiceNames = ["VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE"] as const

const usualTimeout = Duration.seconds(15)

/** A leave that cannot be sent at once is not worth waiting for: the program ends, or the gateway is down. */
const leaveTimeout = "1 second"

interface Listener {
  readonly guild: string
  readonly news: Queue.Queue<News>
  /** The shard that has answered. */
  shard: number | undefined
  /** Op 4 was sent in the gateway's current session. */
  isSent: boolean
}

/** No connection yet. */
export const make = (parts: VoiceParts): VoiceConnections => {
  const listeners = new Set<Listener>()
  const unions = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>()
  let { userId } = parts

  const tell = (news: News, isConcerned: (listener: Listener) => boolean) => {
    for (const listener of listeners) if (isConcerned(listener)) Queue.offerUnsafe(listener.news, news)
  }

  const tellGuild = (news: News, guild: string, shard: number) =>
    tell(news, (listener) => {
      if (listener.guild !== guild) return false
      listener.shard = shard
      return true
    })

  const onDispatch = (payload: Payload) => {
    if (payload.t === "READY" && isReady(payload.d)) userId = payload.d.user.id
    if (listeners.size === 0) return
    if (isDispatch(payload, "VOICE_STATE_UPDATE")) {
      const state: State = payload.d
      if (!isState(state) || state.user_id !== userId) return
      tellGuild({ _tag: "State", state }, state.guild_id, payload.shard)
    } else if (isDispatch(payload, "VOICE_SERVER_UPDATE")) {
      const server: Server = payload.d
      if (isServer(server)) tellGuild({ _tag: "Server", server }, server.guild_id, payload.shard)
    } else if (payload.t === "READY") {
      // Op 4 that is still in the queue goes out in the new session. News are read later, when it may have.
      tell({ _tag: "SessionLost" }, (listener) => {
        const isLost = listener.isSent && (listener.shard === undefined || listener.shard === payload.shard)
        if (isLost) listener.isSent = false
        return isLost
      })
    }
  }

  const wanted: VoiceConnections["wanted"] = (names) => {
    if (names === undefined || listeners.size === 0) return names
    const known = unions.get(names) ?? new Set([...names, ...voiceNames])
    unions.set(names, known)
    return known
  }

  return {
    onDispatch,
    wanted,
    end: (error) => tell({ _tag: "Ended", error }, () => true),
    join: (options) =>
      Effect.gen(function* () {
        const news = yield* Queue.unbounded<News>()
        const listener: Listener = { guild: options.guild, news, shard: undefined, isSent: false }
        const guildVoice = new GuildVoice(parts, options, listener, yield* SubscriptionRef.make<View>(waiting))
        yield* Effect.acquireRelease(
          Effect.sync(() => void listeners.add(listener)),
          () =>
            Effect.suspend(() => {
              listeners.delete(listener)
              return guildVoice.leave
            })
        )
        yield* Effect.forkScoped(guildVoice.follow)
        yield* guildVoice.join
        return guildVoice.connection
      })
  }
}

/** One guild's voice connection. */
class GuildVoice {
  private readonly parts: VoiceParts
  private readonly guild: string
  private readonly listener: Listener
  private readonly view: SubscriptionRef.SubscriptionRef<View>
  private readonly timeout: Duration.Duration
  private readonly adapters = new Set<VoiceAdapterMethods>()
  private wished: { readonly channel: string; readonly selfMute: boolean; readonly selfDeaf: boolean }
  private state: State | undefined
  private server: Server | undefined

  constructor(
    parts: VoiceParts,
    { channel, guild, selfDeaf = false, selfMute = false, timeout = usualTimeout }: JoinVoiceChannel,
    listener: Listener,
    view: SubscriptionRef.SubscriptionRef<View>
  ) {
    this.parts = parts
    this.guild = guild
    this.listener = listener
    this.view = view
    this.timeout = Duration.fromInputUnsafe(timeout)
    this.wished = { channel, selfMute, selfDeaf }
  }

  /** Joins, and waits for the server. */
  get join(): Effect.Effect<void, GatewayError> {
    return Effect.andThen(
      this.sendWished,
      Effect.timeoutOrElse(this.current, { duration: this.timeout, orElse: () => Effect.fail(this.unanswered) })
    )
  }

  /** Follows the news, until the scope closes. */
  get follow(): Effect.Effect<void> {
    return Effect.forever(Effect.flatMap(Queue.take(this.listener.news), (news) => this.onNews(news)))
  }

  /** Leaves the channel, unless the bot is in none any more. */
  get leave(): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const methods of this.adapters) methods.destroy()
      this.adapters.clear()
      if (!this.listener.isSent || SubscriptionRef.getUnsafe(this.view)._tag === "Ended") return Effect.void
      return Effect.ignore(this.parts.send(this.voiceState(null), { timeout: leaveTimeout }))
    })
  }

  get connection(): VoiceConnection {
    return {
      server: this.current,
      updates: this.updates,
      update: (changes) =>
        Effect.suspend(() => {
          this.wished = {
            channel: changes.channel ?? this.wished.channel,
            selfMute: changes.selfMute ?? this.wished.selfMute,
            selfDeaf: changes.selfDeaf ?? this.wished.selfDeaf
          }
          return this.sendWished
        }),
      adapterCreator: (methods) => this.adapt(methods)
    }
  }

  private get updates(): Stream.Stream<VoiceServer, GatewayError> {
    return SubscriptionRef.changes(this.view).pipe(
      Stream.mapEffect((view) => (view._tag === "Ended" ? Effect.fail(view.error) : Effect.succeed(view))),
      Stream.filter((view) => view._tag === "Connected"),
      Stream.map(({ server }) => server)
    )
  }

  private get current(): Effect.Effect<VoiceServer, GatewayError> {
    return Effect.flatMap(
      Stream.runHead(this.updates),
      Option.match({ onNone: () => Effect.never, onSome: Effect.succeed })
    )
  }

  private get sendWished(): Effect.Effect<void, GatewayError> {
    return Effect.suspend(() =>
      Effect.map(this.parts.send(this.voiceState(this.wished.channel)), () => {
        this.listener.isSent = true
      })
    )
  }

  private voiceState(channel: string | null): SendEvent {
    const { selfDeaf, selfMute } = this.wished
    return SendEvent.updateVoiceState({
      guild_id: this.guild,
      channel_id: channel,
      self_mute: selfMute,
      self_deaf: selfDeaf
    })
  }

  private get unanswered(): GatewayError {
    return new GatewayError({
      reason: new VoiceTimeout({
        guild: this.guild,
        channel: this.wished.channel,
        after: this.timeout,
        missing: voiceNames.filter((name) => (name === "VOICE_STATE_UPDATE" ? this.state : this.server) === undefined)
      })
    })
  }

  private onNews(news: News): Effect.Effect<void> {
    switch (news._tag) {
      case "State":
        return this.onState(news.state)
      case "Server":
        return this.onServer(news.server)
      case "SessionLost":
        return this.joinAgain
      case "Ended":
        return this.end(news.error.reason)
    }
  }

  private onState(state: State): Effect.Effect<void> {
    // Before the first one with a channel, one without is the end of a connection before this one.
    if (state.channel_id === null && this.state === undefined) return Effect.void
    for (const methods of this.adapters) methods.onVoiceStateUpdate(state)
    if (state.channel_id === null) return this.end(new VoiceDisconnected({ guild: this.guild }))
    this.state = state
    this.wished = { ...this.wished, channel: state.channel_id }
    return this.publish
  }

  private onServer(server: Server): Effect.Effect<void> {
    this.server = server
    for (const methods of this.adapters) methods.onVoiceServerUpdate(server)
    return this.publish
  }

  /** The gateway has a new session, which is in no channel. */
  private get joinAgain(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (SubscriptionRef.getUnsafe(this.view)._tag === "Ended") return Effect.void
      this.state = undefined
      this.server = undefined
      return Effect.andThen(
        SubscriptionRef.set(this.view, waiting),
        // Not awaited here: the answer comes as news.
        Effect.sync(() => this.parts.fork(Effect.catch(this.join, ({ reason }) => this.end(reason))))
      )
    })
  }

  private get publish(): Effect.Effect<void> {
    const { server, state } = this
    if (state === undefined || state.channel_id === null || server === undefined || server.endpoint === null) {
      return SubscriptionRef.set(this.view, waiting)
    }
    return SubscriptionRef.set(this.view, {
      _tag: "Connected",
      server: {
        guildId: this.guild,
        channelId: state.channel_id,
        userId: state.user_id,
        sessionId: state.session_id,
        token: server.token,
        endpoint: server.endpoint
      }
    })
  }

  private end(reason: GatewayErrorReason): Effect.Effect<void> {
    return SubscriptionRef.set(this.view, { _tag: "Ended", error: new GatewayError({ reason }) })
  }

  /** The connection as a voice library's adapter. It is told what has come already, once it has set itself up. */
  private adapt(methods: VoiceAdapterMethods): ReturnType<VoiceConnection["adapterCreator"]> {
    this.adapters.add(methods)
    this.parts.fork(
      Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => {
          if (!this.adapters.has(methods)) return
          if (this.state !== undefined) methods.onVoiceStateUpdate(this.state)
          if (this.server !== undefined) methods.onVoiceServerUpdate(this.server)
        })
      )
    )
    return {
      sendPayload: (payload) => {
        if (!isVoiceStateUpdate(payload) || payload.d.guild_id !== this.guild) return false
        const { channel_id: channel, self_deaf: selfDeaf, self_mute: selfMute } = payload.d
        const { wished } = this
        const isNews = channel !== wished.channel || selfDeaf !== wished.selfDeaf || selfMute !== wished.selfMute
        this.wished = { channel: channel ?? wished.channel, selfDeaf, selfMute }
        if (isNews) this.parts.fork(Effect.ignore(this.parts.send(this.voiceState(channel))))
        return true
      },
      destroy: () => void this.adapters.delete(methods)
    }
  }
}
