/**
 * Names of the streams and subjects in NATS, which docs/relay.md has for readers in other languages.
 */

/**
 * Part of a subject or a stream's name: as in a URL, with `=` in place of `%`, out of which NATS 2.9 makes a wrong reply subject.
 */
export const tokenOf = (text: string): string =>
  encodeURIComponent(text).replaceAll(".", "%2E").replaceAll("*", "%2A").replaceAll("%", "=")

/** The text of a part. */
export const textOf = (token: string): string => decodeURIComponent(token.replaceAll("=", "%"))

/** Names of the streams and subjects of a bot. */
export const namesOf = (name: string) => {
  const token = tokenOf(name)
  const subject = `dg.${token}`
  return {
    log: `dg_log_${token}`,
    state: `dg_state_${token}`,
    channels: `dg_channels_${token}`,
    dead: `dg_dead_${token}`,
    partition: (partition: number) => `${subject}.p.${partition}`,
    partitions: `${subject}.p.*`,
    mark: `${subject}.mark`,
    states: `${subject}.s.>`,
    text: (text: string) => `${subject}.s.text.${tokenOf(text)}`,
    texts: `${subject}.s.text.`,
    meta: `${subject}.s.meta`,
    leases: `${subject}.s.leases`,
    owner: `${subject}.s.owner`,
    clock: `${subject}.s.clock`,
    session: (shard: string) => `${subject}.s.session.${tokenOf(shard)}`,
    beside: (shard: string) => `${subject}.s.beside.${tokenOf(shard)}`,
    channel: (channel: string) => `${subject}.c.${tokenOf(channel)}`,
    anyChannel: `${subject}.c.*`,
    letters: `${subject}.dead`
  }
}

/** Names of a bot. */
export type Names = ReturnType<typeof namesOf>
