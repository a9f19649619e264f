/**
 * The simulated Discord: what a test of a bot imports.
 */
export { Act } from "./simulator/Act.ts"
export { DiscordSimulator, type SimulatedEvent } from "./simulator/DiscordSimulator.ts"
export {
  type Answer,
  type AnswerOptions,
  type DialAnswer,
  type DialOptions,
  Fault,
  type Host,
  type HttpFault,
  type Times
} from "./simulator/Fault.ts"
export type {
  ConnectionEnd,
  ConnectionRecord,
  Counts,
  DialRecord,
  DispatchRecord,
  FrameRecord,
  RequestRecord,
  SessionRecord
} from "./simulator/Observations.ts"
export { PortUnavailable } from "./simulator/Served.ts"
export type { Target } from "./simulator/SimulatedDiscord.ts"
export type { MemoryOptions, ServeOptions, SimulatorOptions } from "./simulator/SimulatorOptions.ts"
export type { TrafficOptions } from "./simulator/Traffic.ts"
