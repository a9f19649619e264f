/**
 * Messages, reactions and voice states that sample traffic has made, which later events are about.
 */

/** Message that was sent. */
export interface SentMessage {
  readonly id: string
  /** The message as it was dispatched last. */
  d: Readonly<Record<string, unknown>>
  /** Reactions, each as the user's index and the emoji. */
  readonly reactions: Set<string>
}

/** History of one guild. */
export class GuildHistory {
  /** The latest messages that were not deleted, oldest first. */
  readonly messages: Array<SentMessage> = []
  /** Voice states of those in the voice channel, by the user's index. */
  readonly voiceStates = new Map<number, Readonly<Record<string, unknown>>>()

  /** Remembers a message, and forgets the oldest of more than 50. */
  sent(id: string, d: Readonly<Record<string, unknown>>): void {
    this.messages.push({ id, d, reactions: new Set() })
    if (this.messages.length > 50) this.messages.shift()
  }

  deleted(message: SentMessage): void {
    this.messages.splice(this.messages.indexOf(message), 1)
  }
}

/** Histories of all guilds, by index. */
export class TrafficHistory {
  private readonly guilds = new Map<number, GuildHistory>()

  of(guildIndex: number): GuildHistory {
    const known = this.guilds.get(guildIndex)
    if (known !== undefined) return known
    const history = new GuildHistory()
    this.guilds.set(guildIndex, history)
    return history
  }
}
