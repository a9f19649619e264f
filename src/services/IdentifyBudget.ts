/**
 * What is left of the day's IDENTIFYs, as far as this process knows: Discord's last word on it, less what was sent since.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { GatewayDirectory } from "./GatewayDirectory.ts"

/** What is left, and of how many. */
export interface Budget {
  readonly remaining: number
  readonly total: number
}

/** Keeps count. */
export class IdentifyBudget {
  private readonly directory: GatewayDirectory["Service"]
  private sent: Array<number> = []

  constructor(directory: GatewayDirectory["Service"]) {
    this.directory = directory
  }

  /** Something happened to a shard: perhaps it identified. */
  onEvent(event: ShardEvent): void {
    if (event._tag !== "Identifying") return
    this.forgetWhatIsCounted()
    this.sent.push(DateTime.toEpochMillis(event.at))
  }

  /** None while Discord has not been asked. */
  get left(): Option.Option<Budget> {
    this.forgetWhatIsCounted()
    return Option.map(this.directory.last(), ({ info: { session_start_limit: limit } }) => ({
      remaining: Math.max(0, limit.remaining - this.sent.length),
      total: limit.total
    }))
  }

  private forgetWhatIsCounted(): void {
    const last = this.directory.last()
    if (Option.isSome(last)) this.sent = this.sent.filter((at) => at > last.value.at)
    else this.sent = []
  }
}
