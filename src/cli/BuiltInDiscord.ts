/**
 * The Discord that `run` talks to while there is no token: the simulator on a loopback port, busy and now and then broken.
 *
 * It is reached over a real WebSocket, so what a newcomer sees is what the gateway does.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DiscordSimulator } from "../simulator/DiscordSimulator.ts"
import type { PortUnavailable } from "../simulator/Served.ts"

const guilds = 10

/** The simulator with traffic. Heartbeats are frequent, so that a lost one shows within seconds. */
export const layer: Layer.Layer<DiscordSimulator, PortUnavailable> = Layer.effectDiscard(
  Effect.forkScoped(DiscordSimulator.traffic({ perSecond: 8, guilds, incidents: "6 seconds" }))
).pipe(Layer.provideMerge(DiscordSimulator.serve({ guilds, heartbeatInterval: "3 seconds", maxConcurrency: 16 })))

/** A session that lasts this long counts as a good one. Incidents come often here, and waits should not grow by them. */
export const stableAfter = "1 second"
