/**
 * Attempts to open a WebSocket connection, before there is one.
 */
import * as Predicate from "effect/Predicate"
import type { DialAnswer, Host } from "./Fault.ts"
import type { DialRecord } from "./Observations.ts"
import type { SimulatedDiscord } from "./SimulatedDiscord.ts"

/** Answers a dial, by an injected fault if one matches, and records it. */
export const dial = (discord: SimulatedDiscord, url: URL): "accept" | DialAnswer => {
  const host = hostOf(discord, url)
  const answer = discord.faults.meet("dial", { host })?.answer ?? "accept"
  discord.counts.dials += 1
  discord.dials.push({ at: discord.timers.now(), url: url.href, host, outcome: outcomeOf(answer) })
  return answer
}

const outcomeOf = (answer: "accept" | DialAnswer): DialRecord["outcome"] => {
  if (!Predicate.isString(answer)) return answer.status
  return answer === "accept" ? "accepted" : answer === "refuse" ? "refused" : "ignored"
}

/** Host that a URL leads to. Unknown ones lead to the main host. */
export const hostOf = (discord: SimulatedDiscord, url: URL): Host => {
  const resume = new URL(discord.settings.resumeUrl)
  return url.host === resume.host && url.pathname.startsWith(resume.pathname) ? "resume" : "main"
}
