/**
 * Dispatch whose data is parsed only when it is read: a program that passes payloads on does not pay for what it does not look at.
 */
import { GatewayOpcode } from "./GatewayOpcode.ts"
import { type Payload, payloadOf } from "./Payload.ts"

/**
 * A dispatch with the text of its frame.
 *
 * @category models
 * @since 0.1.0
 */
export class UnparsedPayload implements Payload {
  readonly op = GatewayOpcode.Dispatch
  readonly t: string
  readonly s: number
  readonly shard: number
  /** The frame as Discord sent it, after inflating. */
  readonly text: string
  private parsed: unknown

  constructor(t: string, s: number, shard: number, text: string) {
    this.t = t
    this.s = s
    this.shard = shard
    this.text = text
  }

  /** Data of the event, parsed at the first look; null where the text is not JSON. */
  get d(): unknown {
    if (this.parsed === undefined) {
      const payload = payloadOf(this.text, this.shard)
      this.parsed = "_tag" in payload ? null : payload.d
    }
    return this.parsed
  }
}

/** Text of a dispatch's frame: as it came, or written anew. */
export const textOfPayload = (payload: Payload): string =>
  payload instanceof UnparsedPayload
    ? payload.text
    : JSON.stringify({ t: payload.t, s: payload.s, op: payload.op, d: payload.d })
