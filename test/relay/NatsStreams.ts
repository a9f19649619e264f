/**
 * Streams of a bot in NATS, for tests to clear away.
 */
import { jetstreamManager } from "@nats-io/jetstream"
import type { NatsConnection } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import { namesOf } from "../../src/relay/nats/NatsNames.ts"

/** Deletes the streams of a name. */
export const remove = (connection: NatsConnection, name: string) => {
  const { channels, dead, log, state } = namesOf(name)
  return Effect.promise(async () => {
    const { streams } = await jetstreamManager(connection)
    for (const stream of [log, state, channels, dead]) await streams.delete(stream).catch(() => false)
  })
}
