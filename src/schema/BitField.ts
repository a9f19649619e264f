/**
 * Bit fields that people give as names, as a number, or as text with either: intents and capabilities.
 */
import * as Result from "effect/Result"

/** A table of documented bits, and what one of them is called in a message. */
export interface BitTable {
  readonly bits: Readonly<Record<string, number>>
  /** With its article: `an intent`. */
  readonly one: string
  /** `intents` */
  readonly many: string
}

/** Parser of names or a number into a bit field. Fails with a message. Undocumented bits pass, for Discord to judge. */
export const parseBitField = (
  table: BitTable,
  input: number | string | ReadonlyArray<string>
): Result.Result<number, string> => {
  if (typeof input === "number") return fromNumber(table, input)
  const names = typeof input === "string" ? input.split(/[\s,|]+/).filter((name) => name !== "") : input
  const first = names[0]
  if (typeof input === "string" && names.length === 1 && first !== undefined && /^\d+$/.test(first)) {
    return fromNumber(table, Number(first))
  }
  if (typeof input === "string" && names.length === 0 && input.trim() !== "") {
    return Result.fail(`"${input}" names no ${table.one.replace(/^an? /, "")}. ${listOf(table)}`)
  }
  let bits = 0
  for (const name of names) {
    const upper = name.toUpperCase()
    const bit = Object.hasOwn(table.bits, upper) ? table.bits[upper] : undefined
    if (bit === undefined) return Result.fail(`"${name}" is not ${table.one}. ${listOf(table)}`)
    bits |= bit
  }
  return Result.succeed(bits)
}

const listOf = ({ bits, many }: BitTable): string => `The ${many} are: ${Object.keys(bits).join(", ")}`

const fromNumber = ({ many }: BitTable, bits: number): Result.Result<number, string> =>
  Number.isInteger(bits) && bits >= 0 && bits < 2 ** 31
    ? Result.succeed(bits)
    : Result.fail(`${bits} is not a bit field of ${many}: it takes an integer from 0 to 2147483647`)
