/**
 * Attempts to open a WebSocket connection, before there is one.
 */
import * as Predicate from "effect/Predicate"
import type { DialAnswer, Host } from "./Fault.ts"
import type { DialRecord } from "./Observations.ts"
import type { SimulatedDiscord } from "./SimulatedDiscord.ts"

/** Says what a dial meets, and keeps a record of it. */
export const dial = (discord: SimulatedDiscord, url: URL): "accept" | DialAnswer => {
  const host = hostOf(discord, url)
  const answer = discord.faults.meet("dial", { host })?.answer ?? "accept"
  discord.counts.dials += 1
  discord.dials.push({ at: discord.timers.now(), url: url.href, host, outcome: outcomeOf(answer) })
  return answer
}

const outcomeOf = (answer: "accept" | DialAnswer): DialRecord["outcome"] => {
  if (Predicate.isObject(answer)) return answer.status
  return answer === "accept" ? "accepted" : answer === "refuse" ? "refused" : "ignored"
}

/** Which of the two hosts a URL leads to. Those that are not known lead to the main one. */
export const hostOf = (discord: SimulatedDiscord, url: URL): Host => {
  const resume = new URL(discord.settings.resumeUrl)
  return url.host === resume.host && url.pathname.startsWith(resume.pathname) ? "resume" : "main"
}
