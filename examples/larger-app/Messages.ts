// Writes each message into the journal, with the name of its guild.
import type { DispatchHandlers } from "disruption-gateway"
import { Effect, Option } from "effect"
import { GuildNames } from "./GuildNames.js"
import { Journal } from "./Journal.js"

export const messageHandlers = Effect.gen(function* () {
  const guilds = yield* GuildNames
  const journal = yield* Journal
  return {
    MESSAGE_CREATE: ({ d }) =>
      Effect.gen(function* () {
        const guild = Option.getOrElse(yield* guilds.nameOf(d.guild_id), () => "somewhere")
        yield* journal.write(`${guild}: ${d.author.username} wrote`)
      })
  } satisfies DispatchHandlers
})
