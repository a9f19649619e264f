import type { DiscordGatewayAdapterCreator } from "@discordjs/voice"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { JoinVoiceChannel, VoiceConnection, VoiceServer } from "../../src/gateway/VoiceConnection.ts"
import { lavalinkVoiceState } from "../../src/gateway/VoiceConnection.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const guild = "794354201395200000"
const channel = "794354201395200002"

/** Joins, in a scope of its own, and collects the updates. */
const join = Effect.fnUntraced(function* (options: Partial<JoinVoiceChannel> = {}) {
  const gateway = yield* Gateway
  const scope = yield* Scope.make()
  const joining = yield* Effect.forkChild(
    Scope.provide(gateway.joinVoiceChannel({ guild, channel, ...options }), scope)
  )
  yield* TestClock.adjust("1 second")
  const connection = yield* Fiber.join(joining)
  const updates: Array<VoiceServer> = []
  const watching = yield* Effect.forkChild(
    Stream.runForEach(connection.updates, (server) => Effect.sync(() => void updates.push(server)))
  )
  yield* TestClock.adjust("10 millis")
  return { connection, updates, watching, close: Scope.close(scope, Exit.void) }
})

interface VoiceState {
  readonly guild_id: string
  readonly channel_id: string | null
  readonly self_mute: boolean
  readonly self_deaf: boolean
}

/** The op 4 that arrived, in order. */
const voiceStates = Effect.flatMap(DiscordSimulator, ({ connections }) =>
  Effect.map(connections, (connections) =>
    connections.flatMap(({ frames }) =>
      frames.filter(({ op }) => op === 4).map(({ payload }) => (payload as { d: VoiceState }).d)
    )
  )
)

/** READY's user. */
const botId = Effect.flatMap(DiscordSimulator, ({ sessions }) =>
  Effect.map(sessions, ([session]) => {
    const ready = session?.dispatched[0]?.d as { user: { id: string } } | undefined
    return ready?.user.id ?? ""
  })
)

describe("joining a voice channel", () => {
  it.effect("gives what a voice library takes, and leaves with the scope", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const { close, connection, updates } = yield* join({ selfDeaf: true })
      const [session] = yield* simulator.sessions
      const server = yield* connection.server
      assert.deepInclude(server, {
        guildId: guild,
        channelId: channel,
        userId: yield* botId,
        sessionId: session?.id ?? "",
        endpoint: "simulated1.discord.media:443"
      })
      assert.match(server.token, /^voice-/)
      assert.deepStrictEqual(updates, [server])
      assert.deepStrictEqual(lavalinkVoiceState(server), {
        token: server.token,
        endpoint: server.endpoint,
        sessionId: server.sessionId,
        channelId: channel
      })
      yield* close
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* voiceStates, [
        { guild_id: guild, channel_id: channel, self_mute: false, self_deaf: true },
        { guild_id: guild, channel_id: null, self_mute: false, self_deaf: true }
      ])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("is asked for once where the program asks before the bot is ready", () =>
    Effect.gen(function* () {
      yield* Gateway
      const joining = yield* Effect.forkScoped(join())
      yield* TestClock.adjust("2 seconds")
      const { updates } = yield* Fiber.join(joining)
      yield* TestClock.adjust("2 seconds")
      assert.lengthOf(yield* voiceStates, 1)
      assert.lengthOf(updates, 1)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("works where the program asks for other dispatches only, which then stay the only ones", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = yield* Gateway
      const handled: Array<string | null> = []
      yield* Effect.forkScoped(gateway.handle({ MESSAGE_CREATE: ({ t }) => Effect.sync(() => void handled.push(t)) }))
      yield* TestClock.adjust("1 second")
      const { connection } = yield* join()
      assert.strictEqual((yield* connection.server).channelId, channel)
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(handled, ["MESSAGE_CREATE"])
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { events: ["MESSAGE_CREATE"] } })))
  )

  it.effect("takes the two dispatches in either order, and none of another user, guild or shape", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      // Without the intent the simulator answers by VOICE_SERVER_UPDATE alone.
      const joining = yield* Effect.forkChild(gateway.joinVoiceChannel({ guild, channel }))
      yield* TestClock.adjust("1 second")
      let s = 100
      const say = (t: string, d: unknown) =>
        Effect.andThen(
          Effect.suspend(() => simulator.sendRaw(JSON.stringify({ op: 0, t, s: s++, d }))),
          TestClock.adjust("1 second")
        )
      const state = { guild_id: guild, channel_id: channel, session_id: "a", user_id: yield* botId }
      yield* say("VOICE_STATE_UPDATE", { ...state, user_id: "1" })
      yield* say("VOICE_STATE_UPDATE", { ...state, guild_id: "1" })
      yield* say("VOICE_STATE_UPDATE", { ...state, session_id: 7 })
      yield* say("VOICE_STATE_UPDATE", null)
      yield* say("VOICE_SERVER_UPDATE", { guild_id: guild, token: 1 })
      assert.isUndefined(joining.pollUnsafe())
      yield* say("VOICE_STATE_UPDATE", state)
      const { server } = yield* Fiber.join(joining)
      assert.deepInclude(yield* server, { sessionId: "a", endpoint: "simulated1.discord.media:443" })
    }).pipe(Effect.scoped, Effect.provide(SimulatedBot.layer({ config: { intents: ["GUILDS"] } })))
  )

  it.effect("that Discord does not answer fails in time, and says what did not come", () =>
    Effect.gen(function* () {
      const { gateway } = yield* SimulatedBot.ready
      const joining = yield* Effect.forkChild(
        Effect.scoped(Effect.flip(gateway.joinVoiceChannel({ guild, channel, timeout: "5 seconds" })))
      )
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(joining.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      const { message, reason } = yield* Fiber.join(joining)
      assert.deepInclude(reason, {
        _tag: "VoiceTimeout",
        missing: ["VOICE_STATE_UPDATE"],
        after: Duration.seconds(5)
      })
      assert.include(message, "GUILD_VOICE_STATES")
      // It does not stay half joined.
      assert.strictEqual((yield* voiceStates).at(-1)?.channel_id, null)
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { intents: ["GUILDS"] } })))
  )

  it.effect("fails with what a send fails with", () =>
    Effect.gen(function* () {
      const { gateway } = yield* SimulatedBot.ready
      const error = yield* Effect.scoped(Effect.flip(gateway.joinVoiceChannel({ guild: "nonsense", channel })))
      assert.strictEqual(error.reason._tag, "InvalidSendEvent")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("a voice connection", () => {
  it.effect("follows its server, which may be away for a while, and the channel to which the bot is moved", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const { connection, updates } = yield* join()
      yield* simulator.dispatch("VOICE_SERVER_UPDATE", { guild_id: guild, token: "t2", endpoint: null })
      yield* TestClock.adjust("1 second")
      const next = yield* Effect.forkChild(connection.server)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(next.pollUnsafe())
      yield* simulator.dispatch("VOICE_SERVER_UPDATE", { guild_id: guild, token: "t3", endpoint: "other.example" })
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Fiber.join(next), { token: "t3", endpoint: "other.example" })
      yield* connection.update({ channel: "9", selfMute: true })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        updates.map(({ channelId, endpoint }) => [channelId, endpoint]),
        [
          [channel, "simulated1.discord.media:443"],
          [channel, "other.example"],
          ["9", "other.example"],
          ["9", "simulated2.discord.media:443"]
        ]
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("survives a reconnect, and joins again when the gateway's session was lost", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const { connection, updates } = yield* join()
      yield* simulator.drop()
      yield* TestClock.adjust("30 seconds")
      assert.lengthOf(updates, 1)
      yield* simulator.invalidateSession(false)
      yield* TestClock.adjust("1 minute")
      const sessions = yield* simulator.sessions
      assert.lengthOf(sessions, 2)
      assert.deepStrictEqual(
        updates.map(({ sessionId }) => sessionId),
        sessions.map(({ id }) => id)
      )
      assert.strictEqual((yield* connection.server).sessionId, sessions[1]?.id)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("ends when somebody disconnects the bot, and then has nothing to leave", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const { close, watching } = yield* join()
      yield* simulator.dispatch("VOICE_STATE_UPDATE", {
        guild_id: guild,
        channel_id: null,
        user_id: yield* botId,
        session_id: "any"
      })
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(Fiber.join(watching))
      assert.deepInclude(error.reason, { _tag: "VoiceDisconnected", guild })
      yield* close
      assert.lengthOf(yield* voiceStates, 1)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("ends with the gateway", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const { watching } = yield* join()
      yield* simulator.close(4014)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(Fiber.join(watching))).reason._tag, "DisallowedIntents")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("the adapter of @discordjs/voice", () => {
  /** What the library does with an adapter, and what it is told. */
  const library = (connection: VoiceConnection) => {
    const creator: DiscordGatewayAdapterCreator = connection.adapterCreator
    const told: Array<string> = []
    const adapter = creator({
      onVoiceServerUpdate: ({ endpoint }) => void told.push(`server ${endpoint}`),
      onVoiceStateUpdate: ({ channel_id }) => void told.push(`state ${channel_id}`),
      destroy: () => void told.push("destroyed")
    })
    const send = (channel_id: string | null) =>
      adapter.sendPayload({ op: 4, d: { guild_id: guild, channel_id, self_mute: false, self_deaf: false } })
    return { adapter, told, send }
  }

  it.effect("is told what has come, what comes, and the end; what it sends goes to Discord", () =>
    Effect.gen(function* () {
      yield* SimulatedBot.ready
      const { close, connection } = yield* join()
      const { adapter, send, told } = library(connection)
      assert.isTrue(send(channel))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told.splice(0), [`state ${channel}`, "server simulated1.discord.media:443"])
      // It is in that channel already.
      assert.lengthOf(yield* voiceStates, 1)
      assert.isTrue(send("9"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told.splice(0), ["state 9", "server simulated2.discord.media:443"])
      assert.isFalse(adapter.sendPayload({ op: 8, d: {} }))
      yield* close
      assert.deepStrictEqual(told, ["destroyed"])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("leaves when the library does", () =>
    Effect.gen(function* () {
      yield* SimulatedBot.ready
      const { connection, watching } = yield* join()
      const { send } = library(connection)
      yield* TestClock.adjust("1 second")
      assert.isTrue(send(null))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(Fiber.join(watching))).reason._tag, "VoiceDisconnected")
      assert.strictEqual((yield* voiceStates).at(-1)?.channel_id, null)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})
