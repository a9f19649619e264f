// A consumer in plain JavaScript, alone on all partitions: `node consumer.mjs redis://127.0.0.1:6379 my-bot`. Another language needs
// nothing but its own client of Redis.
import { createClient } from "redis"

const [url, name] = process.argv.slice(2)
const redis = await createClient({ url, RESP: 2 }).connect()
const prefix = `{disruption-gateway_relay:${name}}`
const partitions = Number(await redis.hGet(`${prefix}:meta`, "partitions"))
const after = new Map(Array.from({ length: partitions }, (_, n) => [`${prefix}:p:${n}`, "0-0"]))

const fieldsOf = (flat) => Object.fromEntries(flat.flatMap((key, at) => (at % 2 ? [] : [[key, flat[at + 1]]])))

const handle = async ({ t, d }) => {
  if (t === "MESSAGE_CREATE") process.stdout.write(`${d.id} ${d.guild_id}\n`)
}

while (true) {
  const streams = [...after.keys(), ...after.values()]
  const reads = await redis.sendCommand(["XREAD", "COUNT", "100", "BLOCK", "1000", "STREAMS", ...streams])
  for (const [stream, entries] of reads ?? []) {
    for (const [position, flat] of entries) {
      const { payload, v } = fieldsOf(flat)
      if (v !== "1") throw new Error(`a newer format: ${v}`)
      await handle(JSON.parse(payload))
      // Acknowledged: what is not is there again after a crash, in order.
      await redis.xDel(stream, position)
      after.set(stream, position)
    }
  }
}
