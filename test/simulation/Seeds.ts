/**
 * Which seeds to run: `7`, `1..1000`, or several of both: `7,100..200`.
 */
import * as Result from "effect/Result"

/** Reads the value of `--seeds`, or says what is wrong with it. */
export const parse = (text: string): Result.Result<ReadonlyArray<number>, string> => {
  const seeds: Array<number> = []
  for (const part of text.split(",")) {
    const [, first, last = first] = /^\s*(\d+)(?:\.\.(\d+))?\s*$/.exec(part) ?? []
    const [from, to] = [Number(first), Number(last)]
    if (!(from <= to) || to - from >= 10_000_000) {
      return Result.fail(`"${text}" is not a list of seeds, such as 7 or 1..1000`)
    }
    for (let seed = from; seed <= to; seed++) seeds.push(seed)
  }
  return Result.succeed(seeds)
}
