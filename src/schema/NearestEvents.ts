/**
 * Suggestions for a mistyped name of a dispatch, by the least Levenshtein distance.
 */
import { dispatchNames } from "./DispatchNames.ts"

/** Error message with suggestions: `"MESAGE_CREATE" is not an event. Did you mean MESSAGE_CREATE?` */
export const unknownEvent = (name: string): string =>
  `"${name}" is not an event. Did you mean ${nearest(name.toUpperCase()).join(" or ")}?`

/** Names at the least distance, three at most. */
const nearest = (name: string): ReadonlyArray<string> => {
  const distances = dispatchNames.map((candidate) => ({ candidate, distance: distanceOf(name, candidate) }))
  const least = Math.min(...distances.map(({ distance }) => distance))
  return distances
    .filter(({ distance }) => distance === least)
    .map(({ candidate }) => candidate)
    .slice(0, 3)
}

/** Levenshtein distance: the fewest insertions, deletions and replacements of characters. */
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
