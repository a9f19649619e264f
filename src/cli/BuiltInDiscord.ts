/**
 * Built-in Discord of `run` without a token: the simulator on a loopback port, with traffic and incidents.
 *
 * It is reached over a real WebSocket, so a newcomer sees the real behaviour of the gateway.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DiscordSimulator } from "../simulator/DiscordSimulator.ts"
import type { PortUnavailable } from "../simulator/Served.ts"

const guilds = 10

/** The simulator with traffic. Heartbeats are frequent, so a missing acknowledgement shows within seconds. */
export const layer: Layer.Layer<DiscordSimulator, PortUnavailable> = Layer.effectDiscard(
  Effect.forkScoped(DiscordSimulator.traffic({ perSecond: 8, guilds, incidents: "6 seconds" }))
).pipe(Layer.provideMerge(DiscordSimulator.serve({ guilds, heartbeatInterval: "3 seconds", maxConcurrency: 16 })))

/** Session duration that resets the backoff: short, as incidents are frequent and should not add up. */
export const stableAfter = "1 second"
