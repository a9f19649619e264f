// A seeded generator (mulberry32), so that every run, everywhere, sends the same bytes.
export const makeRandom = (seed) => {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit) => Math.floor(next() * limit)
  const pick = (things) => things[below(things.length)]
  const chance = (probability) => next() < probability
  const digits = (length) => Array.from({ length }, () => below(10)).join("")
  return {
    /** Begins anew: what is made does not depend on what was made before. */
    restart: () => {
      state = seed
    },
    below,
    pick,
    chance,
    between: (from, to) => from + below(to - from + 1),
    /** An id as Discord gives them today: 19 digits, kept as a string. */
    snowflake: () => `1${pick(["0", "1", "2", "3"])}${digits(17)}`,
    hex: (length) => Array.from({ length }, () => below(16).toString(16)).join("")
  }
}
