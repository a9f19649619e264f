// The proof of the relay at full length: `npm run relay:prove`, or one part of it by name, `npm run relay:prove -- kills`. On another broker
// than Redis: `-- --broker NAME`; with other numbers of kills, of the relay, of consumers and of the broker: `-- --kills 2,5,1`.
import { isDeepStrictEqual, parseArgs } from "node:util"
import { Console, Duration, Effect } from "effect"
import * as Brokers from "./Brokers.ts"
import * as Proof from "./Proof.ts"

const { positionals: chosen, values } = parseArgs({
  allowPositionals: true,
  options: { broker: { type: "string", default: "redis" }, kills: { type: "string", default: "20,50,5" } }
})

const broker = Brokers.all[values.broker]
if (broker === undefined) throw new Error(`--broker takes one of ${Object.keys(Brokers.all).join(", ")}`)
const [relay = 0, consumer = 0, ofBroker = 0] = values.kills.split(",").map(Number)

const load = { rate: 500, guilds: 200 }

const parts: Record<string, Effect.Effect<unknown>> = {
  kills: Proof.kill(broker, load, { relay, consumer, broker: ofBroker }),
  abandoned: Proof.abandon(broker, load, Duration.minutes(Number(process.env["RELAY_MINUTES"] ?? 10))),
  same: Effect.map(Proof.compare(broker, 10_000, load.guilds), ([direct, relayed]) => ({
    isSame: isDeepStrictEqual(direct, relayed)
  }))
}

Effect.runFork(
  Effect.forEach(
    Object.entries(parts).filter(([name]) => chosen.length === 0 || chosen.includes(name)),
    ([name, part]) =>
      Effect.flatMap(part, (verdict) => Console.log(`${name} on ${values.broker}: ${JSON.stringify(verdict)}`)),
    { discard: true }
  )
)
