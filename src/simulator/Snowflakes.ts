/**
 * Snowflakes of the simulator, made from an index or a time. Discord, "Snowflakes": https://discord.com/developers/docs/reference#snowflakes
 */

const discordEpoch = 1_420_070_400_000n

/** 2021-01-01, the creation time of the guilds and users. */
const firstDay = 1_609_459_200_000n

/** Snowflake of an index. Adjacent indexes are on adjacent shards. */
export const snowflake = (index: number, kind = 0): string =>
  String(((firstDay - discordEpoch + BigInt(index)) << 22n) | BigInt(kind))

/** Index of a snowflake; 0 for an id that is no snowflake. */
export const indexOf = (id: string): number =>
  /^\d+$/.test(id) ? Math.abs(Number((BigInt(id) >> 22n) - (firstDay - discordEpoch))) : 0

/** Snowflake of a time in milliseconds since 1970. Times before 2021, as of a `TestClock`, are counted from 2021. */
export const snowflakeAt = (millis: number, increment: number): string => {
  const at = BigInt(Math.floor(millis))
  return String((((at < firstDay ? at + firstDay : at) - discordEpoch) << 22n) | BigInt(increment % 4096))
}
