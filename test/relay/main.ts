// The proof of the relay at full length: `npm run relay:prove`, or one part of it by name, `npm run relay:prove -- kills`.
import { Console, Duration, Effect } from "effect"
import * as Brokers from "./Brokers.ts"
import * as Proof from "./Proof.ts"

const load = { rate: 500, guilds: 200 }

const parts: Record<string, Effect.Effect<unknown>> = {
  kills: Proof.kill(Brokers.redis, load, { relay: 20, consumer: 50, broker: 5 }),
  abandoned: Proof.abandon(Brokers.redis, load, Duration.minutes(Number(process.env["RELAY_MINUTES"] ?? 10))),
  same: Effect.map(Proof.compare(Brokers.redis, 10_000, load.guilds), ([direct, relayed]) => ({
    isSame: JSON.stringify(direct) === JSON.stringify(relayed)
  }))
}

const chosen = process.argv.slice(2)

Effect.runFork(
  Effect.forEach(
    Object.entries(parts).filter(([name]) => chosen.length === 0 || chosen.includes(name)),
    ([name, part]) => Effect.flatMap(part, (verdict) => Console.log(`${name}: ${JSON.stringify(verdict)}`)),
    { discard: true }
  )
)
