/**
 * Wire format of the relay: what a broker keeps of a dispatch, readable in any language.
 *
 * Its payload is the frame as Discord sent it, JSON. Its id, `session:shard:sequence`, is the same however often the dispatch is
 * published.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Forwarded } from "../gateway/Forwarding.ts"
import { guildOf } from "../gateway/PayloadGuild.ts"
import { guildOfText } from "./GuildOfText.ts"

/**
 * Version of the format. It is raised by a change that an earlier release would read wrongly; a new header is none.
 *
 * @since 0.1.0
 * @category constants
 */
export const version = 1

/**
 * A dispatch on its way to the broker.
 *
 * @since 0.1.0
 * @category models
 */
export interface RelayRecord {
  readonly session: string
  readonly shard: number
  readonly sequence: number
  /** Name of the event. */
  readonly name: string
  /** The whole frame, JSON. */
  readonly text: string
  readonly partition: number
}

/**
 * Names an entry of a partition. A broker that has lost some may give their positions to others, which have other ids.
 *
 * @since 0.1.0
 * @category models
 */
export interface EntryKey {
  /** Its place in the partition, as the broker counts. */
  readonly position: string
  /** `session:shard:sequence`. */
  readonly id: string
}

/**
 * A dispatch in the broker.
 *
 * @since 0.1.0
 * @category models
 */
export interface RelayEntry extends EntryKey {
  readonly version: number
  /** Name of the event. */
  readonly name: string
  /** The whole frame, JSON. */
  readonly text: string
}

/**
 * Id of a record.
 *
 * @since 0.1.0
 * @category getters
 */
export const idOf = ({ sequence, session, shard }: Pick<RelayRecord, "sequence" | "session" | "shard">): string =>
  `${session}:${shard}:${sequence}`

/**
 * Number of the shard in an id; undefined where it is none.
 *
 * @since 0.1.0
 * @category getters
 */
export const shardOfId = (id: string): number | undefined => {
  const shard = Number(id.split(":").at(-2))
  return Number.isInteger(shard) ? shard : undefined
}

/**
 * Record of a dispatch: those of a guild are in one partition, those without a guild in that of their shard.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recordOf = (
  { name, payload, sequence, session, shard, text }: Forwarded,
  partitions: number
): RelayRecord => {
  const guild = Option.getOrElse(guildOfText(name, text), () => guildOf(payload))
  const partition = guild === undefined ? shard % partitions : partitionOf(guild, partitions)
  return { session, shard, sequence, name, text, partition }
}

/**
 * Partition of a guild.
 *
 * @since 0.1.0
 * @category getters
 */
export const partitionOf = (guild: string, partitions: number): number => {
  let hash = 0
  for (let at = 0; at < guild.length; at++) hash = (Math.imul(hash, 31) + guild.charCodeAt(at)) >>> 0
  // The last digits of an id are nearly all that differs, and multiplication leaves little of them in the low bits.
  return ((hash ^ (hash >>> 15)) >>> 0) % partitions
}
