// The bot: the handlers of all its parts in one `handle`, so that a guild's name is there before a message of the guild. Parts that want the
// same event, or a pace of their own, each have a `handle`, with `connect: "manual"` (docs/delivery.md).
import { Gateway } from "disruption-gateway"
import { Effect } from "effect"
import { GuildNames } from "./GuildNames.js"
import { messageHandlers } from "./Messages.js"

export const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  const guilds = yield* GuildNames
  const messages = yield* messageHandlers
  return yield* gateway.handle({ ...guilds.handlers, ...messages }, { concurrency: 16 })
})
