/**
 * All incidents, by theme.
 */
import type { Incident, Theme } from "./Incident.ts"
import { heartbeats } from "./themes/Heartbeats.ts"
import { limits } from "./themes/Limits.ts"
import { opening } from "./themes/Opening.ts"
import { payloads } from "./themes/Payloads.ts"
import { resuming } from "./themes/Resuming.ts"
import { sessions } from "./themes/Sessions.ts"
import { stopping } from "./themes/Stopping.ts"

export const themes: ReadonlyArray<Theme> = [opening, heartbeats, resuming, sessions, limits, payloads, stopping]

export const incidents: ReadonlyArray<Incident> = themes.flatMap(({ incidents }) => incidents)
