/**
 * Durations in words: the one format of logs, messages and the terminal.
 */
import * as Duration from "effect/Duration"

const units = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1]
] as const

/**
 * Duration in its two largest units, rounded: `850 ms`, `1.5 s`, `41 s`, `2 h 5 min`.
 */
export const durationText = (duration: Duration.Duration): string => {
  const millis = Math.max(0, Duration.toMillis(duration))
  if (!Number.isFinite(millis)) return "for ever"
  if (millis > 0 && millis < 999.5) return `${Math.ceil(millis)} ms`
  // One decimal matters below 10 seconds only.
  if (millis < 9950) return `${Math.round(millis / 100) / 10} s`
  let rest = Math.round(millis / 1000)
  const parts: Array<string> = []
  for (const [unit, size] of units) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`)
    rest %= size
  }
  return parts.slice(0, 2).join(" ")
}
