/**
 * The simulated Discord, to test bots without Discord.
 *
 * ```ts
 * it.effect("greets", () =>
 *   Effect.gen(function* () {
 *     const simulator = yield* DiscordSimulator
 *     yield* TestClock.adjust("1 second") // the bot connects
 *     yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
 *     yield* TestClock.adjust("1 second") // the bot answers
 *   }).pipe(Effect.provide(Bot.pipe(Layer.provideMerge(DiscordSimulator.layer)))))
 * ```
 */
export * as Act from "./simulator/Act.ts"
export { DiscordSimulator, type SimulatedEvent } from "./simulator/DiscordSimulator.ts"
export { type PartOf, type SampleData, sampleEvent, type SampleName } from "./simulator/SampleEvents.ts"
export type { SimulatedGuild } from "./simulator/Guilds.ts"
export * as Fault from "./simulator/Fault.ts"
export type {
  ConnectionEnd,
  ConnectionRecord,
  DialRecord,
  DispatchRecord,
  FrameRecord,
  RequestRecord,
  SessionRecord,
  SimulatorCounts
} from "./simulator/Observations.ts"
export { PortUnavailable } from "./simulator/Served.ts"
export type { SimulatorTarget } from "./simulator/SimulatedDiscord.ts"
export type { MemoryOptions, ServeOptions, SimulatorOptions } from "./simulator/SimulatorOptions.ts"
export type { TrafficOptions } from "./simulator/Traffic.ts"
