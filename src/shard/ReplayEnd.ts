/**
 * End of a replay. Discord documents that everything behind RESUMED is new, but not whether the RESUMED of a connection
 * before is in the replay, too.
 *
 * A heartbeat that is sent after RESUMED is acknowledged behind all that Discord had to replay, so its acknowledgement is the
 * end. Acknowledgements come in the order of the heartbeats.
 */

/** The end of the replay on one connection. */
export class ReplayEnd {
  /** Heartbeats that are not acknowledged. */
  private outstanding = 0
  /** Acknowledgements until that of the heartbeat after RESUMED. */
  private left: number | undefined

  /** A heartbeat is sent. */
  sent(): void {
    this.outstanding++
  }

  /** RESUMED came. True for the first one, after which a heartbeat is to be sent. */
  resumed(): boolean {
    if (this.left !== undefined) return false
    this.left = this.outstanding + 1
    return true
  }

  /** A heartbeat is acknowledged. True where the replay has ended. */
  acknowledged(): boolean {
    this.outstanding = Math.max(0, this.outstanding - 1)
    if (this.left === undefined) return false
    this.left--
    return this.left === 0
  }
}
