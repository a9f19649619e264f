/**
 * Growth that is seen to outside of a gateway: the shards of a cluster are gateways of one shard each, and none of them can
 * give the bot another number.
 */
import * as Context from "effect/Context"
import type { Standing } from "./Growth.ts"

/** Growth of the bot that a gateway is a part of, which another part of the program sees to. */
export interface OutsideGrowth {
  /** Given the shards of the gateway, as they are whenever it is called. */
  readonly watch: (standing: () => Standing) => void
  /** Discord refuses a shard, which waits for its end. */
  readonly onRefusal: () => void
}

/** The growth outside of the gateway; undefined where the gateway grows itself, or not at all. */
export const OutsideGrowth: Context.Reference<OutsideGrowth | undefined> = Context.Reference<OutsideGrowth | undefined>(
  "disruption-gateway/gateway/OutsideGrowth",
  { defaultValue: () => undefined }
)
