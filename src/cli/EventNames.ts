/**
 * The names of Discord's dispatches, for those who type one.
 */
import * as Result from "effect/Result"
import { dispatchNames } from "../schema/DispatchNames.ts"

const names: ReadonlyArray<string> = dispatchNames

/**
 * Reads names with commas between them, or says what is wrong with them.
 *
 * ```ts
 * parseEventNames("READY,message_create") // Result.succeed(new Set(["READY", "MESSAGE_CREATE"]))
 * parseEventNames("MESAGE_CREATE") // Result.fail('"MESAGE_CREATE" is not an event. Did you mean MESSAGE_CREATE?')
 * ```
 */
export const parseEventNames = (input: string): Result.Result<ReadonlySet<string>, string> => {
  const given = input.split(/[\s,]+/).filter((name) => name !== "")
  if (given.length === 0) return Result.fail("it takes at least one event, such as MESSAGE_CREATE")
  const wrong = given.find((name) => !names.includes(name.toUpperCase()))
  return wrong === undefined
    ? Result.succeed(new Set(given.map((name) => name.toUpperCase())))
    : Result.fail(`"${wrong}" is not an event. Did you mean ${nearest(wrong.toUpperCase()).join(" or ")}?`)
}

/** The names that are the fewest changes away, three at most. */
const nearest = (name: string): ReadonlyArray<string> => {
  const distances = names.map((candidate) => ({ candidate, distance: distanceOf(name, candidate) }))
  const least = Math.min(...distances.map(({ distance }) => distance))
  return distances
    .filter(({ distance }) => distance === least)
    .map(({ candidate }) => candidate)
    .slice(0, 3)
}

/** How many characters have to be put in, left out or replaced (Levenshtein). */
const distanceOf = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (const [index, character] of [...from].entries()) {
    const next = [index + 1]
    for (const [column, other] of [...to].entries()) {
      const [left = 0, above = 0, corner = 0] = [next[column], row[column + 1], row[column]]
      next.push(Math.min(left + 1, above + 1, corner + (character === other ? 0 : 1)))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
