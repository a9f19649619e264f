// The proof of the relay at full length: `npm run relay:prove`, or one part of it by name, `npm run relay:prove -- kills`. On another broker
// than Redis: `-- --broker NAME`; with other numbers of kills, of the relay, of consumers and of the broker: `-- --kills 2,5,1`. It writes what it
// counted into docs/relay.md. Fails where an event was lost or out of order in its guild.
import { isDeepStrictEqual, parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, DateTime, Duration, Effect } from "effect"
import * as MeasuredTable from "../support/MeasuredTable.ts"
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
const minutes = Number(process.env["RELAY_MINUTES"] ?? 10)

const names: Readonly<Record<string, string>> = {
  redis: "Redis",
  postgres: "PostgreSQL",
  nats: "NATS",
  "nats-cluster": "NATS on three servers"
}
const name = names[values.broker] ?? values.broker

/** Says what was counted, and writes it into the table. */
const tell = Effect.fnUntraced(function* (what: string, verdict: Proof.Verdict) {
  yield* Console.log(`${what}: ${JSON.stringify(verdict)}`)
  const date = DateTime.formatIsoDateUtc(yield* DateTime.now)
  const { doubled, events, identifies, lost, outOfOrder, relayMiB, resumes } = verdict
  const counts = [events, lost, doubled, outOfOrder, identifies, resumes].map((count) => count.toLocaleString("en-US"))
  yield* MeasuredTable.writeRow({ page: "relay.md", table: "proof" }, [what, ...counts, `${relayMiB} MiB`, date])
  if (lost > 0 || outOfOrder > 0) return yield* Effect.die(new Error("the relay did not stand the proof"))
})

const parts: Record<string, Effect.Effect<unknown>> = {
  kills: Effect.flatMap(Proof.kill(broker, load, { relay, consumer, broker: ofBroker }), (verdict) =>
    tell(`${relay} kills of the relay, ${consumer} of consumers, ${ofBroker} of ${name}, at random`, verdict)
  ),
  abandoned: Effect.flatMap(Proof.abandon(broker, load, Duration.minutes(minutes)), (verdict) =>
    tell(`no consumer for ${minutes} minutes, then three, ${name}`, verdict)
  ),
  same: Effect.flatMap(Proof.compare(broker, 10_000, load.guilds), ([direct, relayed]) =>
    Console.log(`same on ${name}: ${JSON.stringify({ isSame: isDeepStrictEqual(direct, relayed) })}`)
  )
}

NodeRuntime.runMain(
  Effect.forEach(
    Object.entries(parts).filter(([name]) => chosen.length === 0 || chosen.includes(name)),
    ([, part]) => part,
    { discard: true }
  )
)
