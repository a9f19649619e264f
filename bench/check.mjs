// What every client does with every event it wants: it reads an id, so that the event must be there and be whole.
// The order counts, too.

/** The id, or that of the guild: an event without either does not exist here. discordeno spells its fields its own way. */
export const idOf = (data) => data.id ?? data.guild_id ?? data.guildId

export const makeTally = () => ({ count: 0, hash: 0 })

export const tally = (sum, id) => {
  sum.count++
  sum.hash = (Math.imul(sum.hash, 31) + codeOf(id)) | 0
}

/** The same for events of several shards, among which there is no order. */
export const tallyUnordered = (sum, id) => {
  sum.count++
  sum.hash = (sum.hash + Math.imul(codeOf(id), 0x9e3779b1)) | 0
}

const codeOf = (id) => id.charCodeAt(id.length - 5) * 256 + id.charCodeAt(id.length - 9)
