/**
 * Two bots whose sessions are in one store.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import type { GuildSnapshots } from "../../src/services/GuildSnapshots.ts"
import type { SessionStore } from "../../src/services/SessionStore.ts"
import { StoreName } from "../../src/services/StoreName.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"

/** A token with the id of a bot in it. */
export const tokenOf = (id: string): string => `${btoa(id).replaceAll("=", "")}.simulated.token`

export interface Bot {
  readonly token: string
  readonly name?: string
  readonly guilds: number
}

/** Two bots, each with a Discord of its own, that are told apart by the id in their tokens. */
export const byId: readonly [Bot, Bot] = [
  { token: tokenOf("100000000000000001"), guilds: 2 },
  { token: tokenOf("100000000000000002"), guilds: 3 }
]

/** Each bot resumes its own session, with its own guilds, after the other has stored its. `pass` lets time pass
 * until something is so. */
export const resume = Effect.fnUntraced(function* <E, R>(
  store: Layer.Layer<SessionStore | GuildSnapshots, E, R>,
  pass: (isSo: Effect.Effect<boolean>) => Effect.Effect<unknown>,
  bots: readonly [Bot, Bot] = byId
) {
  const home = yield* Effect.scope
  const stores = yield* Layer.build(store)
  const worlds = yield* Effect.forEach(bots, (bot) =>
    Effect.map(
      Layer.buildWithScope(Layer.fresh(DiscordSimulator.layerWith({ token: bot.token, guilds: bot.guilds })), home),
      (world) => ({ bot, world })
    )
  )
  const countsOf = ({ world }: (typeof worlds)[number]) =>
    Effect.provideContext(
      DiscordSimulator.use(({ counts }) => counts),
      world
    )
  const run = Effect.fnUntraced(function* (of: (typeof worlds)[number]) {
    const { bot, world } = of
    const before = yield* countsOf(of)
    const scope = yield* Scope.make()
    const seen: Array<{ readonly replayed: boolean }> = []
    const context = yield* Layer.buildWithScope(
      Gateway.layer.pipe(
        Layer.provide(GatewayConfig.layer({ token: bot.token, compression: "none" })),
        Layer.provide(Layer.succeed(StoreName, bot.name)),
        Layer.provide(Layer.succeedContext(stores)),
        Layer.provide(Layer.succeedContext(world))
      ),
      scope
    )
    yield* Gateway.use((gateway) =>
      Stream.runForEach(gateway.on("GUILD_CREATE"), (guild) =>
        Effect.sync(() => seen.push({ replayed: "replayed" in guild && guild.replayed === true }))
      )
    ).pipe(Effect.provideContext(context), Effect.forkIn(scope))
    yield* pass(
      Effect.map(
        countsOf(of),
        ({ identifies, resumes }) =>
          identifies + resumes > before.identifies + before.resumes && seen.length >= bot.guilds
      )
    )
    yield* Scope.close(scope, Exit.void)
    return seen
  })
  for (const world of worlds) assert.strictEqual((yield* run(world)).length, world.bot.guilds)
  for (const world of worlds) {
    const replayed = (yield* run(world)).filter(({ replayed }) => replayed)
    assert.strictEqual(replayed.length, world.bot.guilds)
    const { identifies, resumes } = yield* countsOf(world)
    assert.deepStrictEqual({ identifies, resumes }, { identifies: 1, resumes: 1 })
  }
}, Effect.scoped)
