// The names of the guilds that the bot is in: a service with the handlers that keep it up to date.
import type { DispatchHandlers } from "disruption-gateway"
import { Context, Effect, Layer, Option, Ref } from "effect"

const make = Effect.gen(function* () {
  const names = yield* Ref.make<ReadonlyMap<string, string>>(new Map())
  const remember = ({ d }: { readonly d: { readonly id: string; readonly name: string } }) =>
    Ref.update(names, (known) => new Map(known).set(d.id, d.name))
  return {
    nameOf: (guild: string | undefined) =>
      Effect.map(Ref.get(names), (known) => Option.fromUndefinedOr(known.get(guild ?? ""))),
    handlers: { GUILD_CREATE: remember, GUILD_UPDATE: remember } satisfies DispatchHandlers
  }
})

export class GuildNames extends Context.Service<GuildNames, Effect.Success<typeof make>>()("larger-app/GuildNames") {
  static readonly layer = Layer.effect(GuildNames, make)
}
