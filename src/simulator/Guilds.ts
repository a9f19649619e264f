/**
 * Guilds of the bot: those that it is in, and how many of them a shard has.
 *
 * A guild is made of its index when it is first asked for, so ten thousand of them cost nothing before.
 */
import { shardOfGuild } from "../schema/ShardId.ts"
import { guild } from "./SampleGuild.ts"
import { snowflake } from "./Snowflakes.ts"

/** Guild in the form of GUILD_CREATE. */
export type SimulatedGuild = Readonly<Record<string, unknown>> & { readonly id: string }

/** The guilds of the simulated bot. */
export class Guilds {
  /** Index of each guild, by its id. */
  private readonly indexes = new Map<string, number>()
  private joined = 0

  constructor(count: number) {
    this.join(count)
  }

  get size(): number {
    return this.indexes.size
  }

  /** Joins so many more guilds, and returns their ids. */
  join(count: number): ReadonlyArray<string> {
    return Array.from({ length: count }, () => {
      const index = this.joined++
      const id = snowflake(index)
      this.indexes.set(id, index)
      return id
    })
  }

  /** A guild that the bot is in. */
  get(id: string): SimulatedGuild | undefined {
    const index = this.indexes.get(id)
    return index === undefined ? undefined : guild(index)
  }

  /** Ids of a shard's guilds. */
  ofShard([id, total]: readonly [id: number, total: number]): ReadonlyArray<string> {
    return [...this.indexes.keys()].filter((guild) => shardOfGuild(guild, total) === id)
  }
}
