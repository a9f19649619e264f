// What is measured, with which clients, and what the goals are.

const bytes = "clients/ws.mjs"
const own = "clients/disruption-gateway.mjs"

/** The clients by name. `own` are this library's, `floor` those without any. */
export const clients = {
  ws: { label: "`ws` + `JSON.parse`", module: bytes, exported: "parseAll", role: "floor" },
  "ws-frames": { label: "`ws`, nothing parsed", module: bytes, exported: "countFrames", role: "floor" },
  "ws-filter": { label: "`ws`, filtered by hand", module: bytes, exported: "parseWanted", role: "floor" },
  handlers: { label: "**disruption-gateway** `gateway.runForEach`", module: own, exported: "handlers", role: "own" },
  handle: {
    label: "**disruption-gateway** `gateway.handle`, no `events`",
    module: own,
    exported: "handle",
    role: "own",
    withoutOptions: true
  },
  handleNothing: {
    label: "**disruption-gateway** `gateway.handle` of nothing, no `events`",
    module: own,
    exported: "handleNothing",
    role: "own",
    withoutOptions: true
  },
  ...Object.fromEntries(
    [1, 64, 1000].flatMap((shards) => {
      const over = `${shards} ${shards === 1 ? "shard" : "shards"}`
      return [
        [
          `ws-${shards}`,
          {
            label: `\`ws\` + \`JSON.parse\`, ${over}`,
            module: bytes,
            exported: "parseAll",
            role: "floor",
            shards
          }
        ],
        [
          `handlers-${shards}`,
          {
            label: `**disruption-gateway** \`gateway.runForEach\`, ${over}`,
            module: own,
            exported: "handlers",
            role: "own",
            shards
          }
        ]
      ]
    })
  ),
  forEach: { label: "**disruption-gateway** `runForEach`", module: own, exported: "forEach", role: "own" },
  forEachArray: {
    label: "**disruption-gateway** `runForEachArray`",
    module: own,
    exported: "forEachArray",
    role: "own"
  },
  on: { label: "**disruption-gateway** `on(name)` with `events`", module: own, exported: "on", role: "own" },
  discordjs: { label: "`@discordjs/ws`", module: "clients/discordjs.mjs", exported: "default", role: "peer" },
  discordeno: { label: "`@discordeno/gateway`", module: "clients/discordeno.mjs", exported: "camelCase", role: "peer" },
  "discordeno-snake": {
    label: "`@discordeno/gateway` `preferSnakeCase`",
    module: "clients/discordeno.mjs",
    exported: "snakeCase",
    role: "peer"
  },
  cloudstorm: { label: "`cloudstorm`", module: "clients/cloudstorm.mjs", exported: "default", role: "peer" }
}

const all = {
  kind: "throughput",
  stream: "mix",
  want: "all",
  compression: "none",
  measures: ["cpu", "main", "cpuProcess", "wall", "peakMB"]
}
const steady = { ...all, kind: "steady", stream: "long", measures: ["cpu", "main", "wall", "peakMB"] }
const peers = ["discordjs", "discordeno", "cloudstorm"]

/**
 * The scenarios by name. Ratios are to the first client, of the same round; the first measure is the one that counts.
 * `most` limits the rounds of what takes long, `quick: false` leaves out of a quick run what another scenario hints at.
 */
export const scenarios = {
  all: {
    ...all,
    title: "All events, JSON",
    clients: ["ws", "handlers", "forEach", "forEachArray", "discordjs", "discordeno", "discordeno-snake", "cloudstorm"]
  },
  steady: {
    ...steady,
    title: "All events, JSON, when as many came before",
    clients: ["ws", "handlers", "forEach", "forEachArray", "discordjs", "discordeno", "discordeno-snake", "cloudstorm"]
  },
  "all-zlib": {
    ...all,
    title: "All events, zlib-stream",
    compression: "zlib-stream",
    clients: ["ws", "handlers", "forEach", "forEachArray", ...peers]
  },
  "all-zstd": {
    ...all,
    title: "All events, zstd-stream",
    compression: "zstd-stream",
    clients: ["ws", "forEach", "forEachArray", ...peers]
  },
  messages: {
    ...all,
    title: "Only MESSAGE_CREATE, JSON",
    want: "messages",
    ownOptions: { events: ["MESSAGE_CREATE"] },
    clients: ["ws", "ws-filter", "handle", "forEach", "forEachArray", "on", ...peers]
  },
  "messages-zlib": {
    ...all,
    title: "Only MESSAGE_CREATE, zlib-stream",
    quick: false,
    compression: "zlib-stream",
    want: "messages",
    ownOptions: { events: ["MESSAGE_CREATE"] },
    clients: ["ws", "handle", "forEach", "forEachArray", ...peers]
  },
  nothing: {
    ...all,
    title: "Nothing wanted, JSON",
    kind: "nothing",
    want: "nothing",
    ownOptions: { events: [] },
    clients: ["ws", "ws-frames", "handleNothing", "forEach", ...peers]
  },
  "messages-steady": {
    ...steady,
    title: "Only MESSAGE_CREATE, JSON, when as many came before",
    want: "messages",
    ownOptions: { events: ["MESSAGE_CREATE"] },
    clients: ["ws", "ws-filter", "handle", "forEach", "on", "discordjs", "cloudstorm"]
  },
  "nothing-steady": {
    ...steady,
    title: "Nothing wanted, JSON, when as many came before",
    kind: "nothing",
    want: "nothing",
    ownOptions: { events: [] },
    clients: ["ws", "ws-frames", "handleNothing", "forEach", "cloudstorm"]
  },
  burst: {
    ...all,
    title: "A burst of 500 GUILD_CREATEs of 60 KB, JSON",
    stream: "guilds",
    clients: ["ws", "forEach", "forEachArray", ...peers]
  },
  latency: {
    title: "Latency at 5,000 events/s, JSON",
    kind: "latency",
    stream: "live",
    compression: "none",
    rate: 5000,
    seconds: 5,
    measures: ["p99", "p50", "cpu"],
    most: 3,
    clients: ["ws", "forEach", "forEachArray", ...peers]
  },
  shards: {
    title: "All events over 1, 64 and 1,000 shards, JSON",
    kind: "shards",
    stream: "split",
    want: "all",
    compression: "none",
    measures: ["cpu", "main", "wall", "peakMB"],
    clients: ["ws-1", "ws-64", "ws-1000", "handlers-1", "handlers-64", "handlers-1000"]
  },
  noisy: {
    title: "Latency on 63 shards while another one gets all that it can, JSON",
    kind: "noisy",
    stream: "noisy",
    compression: "none",
    measures: ["p99", "p50", "cpu"],
    most: 5,
    clients: ["ws-64", "handlers-64"]
  },
  idle: {
    title: "1,000 idle shards, JSON",
    kind: "idle",
    stream: "none",
    compression: "none",
    shards: 1000,
    measures: ["rssKB", "liveKB", "heapKB", "cpu"],
    most: 3,
    clients: ["ws", "forEach", ...peers]
  },
  "idle-zlib": {
    title: "1,000 idle shards, zlib-stream",
    quick: false,
    kind: "idle",
    stream: "none",
    compression: "zlib-stream",
    shards: 1000,
    measures: ["rssKB", "liveKB", "heapKB", "cpu"],
    most: 3,
    clients: ["ws", "forEach", ...peers]
  }
}

export const measures = {
  cpu: { title: "CPU", unit: "s", digits: 3 },
  main: { title: "of it main thread", unit: "s", digits: 3 },
  cpuProcess: { title: "CPU with start", unit: "s", digits: 2 },
  wall: { title: "time", unit: "s", digits: 2 },
  peakMB: { title: "peak memory", unit: "MB", digits: 0 },
  p50: { title: "p50", unit: "ms", digits: 3 },
  p99: { title: "p99", unit: "ms", digits: 3 },
  heapKB: { title: "heap per shard", unit: "KB", digits: 1 },
  liveKB: { title: "heap and external per shard", unit: "KB", digits: 1 },
  rssKB: { title: "memory per shard", unit: "KB", digits: 1 }
}

/** What the ratio of a client to another may be at most. */
export const goals = [
  { scenario: "steady", client: "handlers", measure: "cpu", to: "ws", most: 1.08 },
  { scenario: "steady", client: "handlers", measure: "cpu", to: "discordjs", most: 1 },
  { scenario: "all", client: "handlers", measure: "cpu", to: "ws", most: 1.2 },
  { scenario: "all", client: "handlers", measure: "cpuProcess", to: "ws", most: 1.3 },
  { scenario: "all-zlib", client: "handlers", measure: "cpu", to: "ws", most: 1.08 },
  { scenario: "messages-steady", client: "handle", measure: "cpu", to: "ws", most: 0.6 },
  { scenario: "nothing-steady", client: "handleNothing", measure: "cpu", to: "ws", most: 0.35 },
  { scenario: "latency", client: "forEach", measure: "p99", to: "ws", most: 1.5 },
  { scenario: "shards", client: "handlers-64", measure: "cpu", to: "handlers-1", most: 1.15 },
  { scenario: "shards", client: "handlers-1000", measure: "cpu", to: "handlers-1", most: 1.15 },
  { scenario: "all", client: "handlers", measure: "peakMB", to: "discordjs", most: 1.2 },
  { scenario: "all-zlib", client: "handlers", measure: "peakMB", to: "discordjs", most: 1.2 },
  { scenario: "burst", client: "forEach", measure: "peakMB", to: "discordjs", most: 1.2 },
  { scenario: "idle", client: "forEach", measure: "rssKB", to: "discordjs", most: 1 },
  { scenario: "idle", client: "forEach", measure: "liveKB", to: "discordjs", most: 1 },
  { scenario: "idle-zlib", client: "forEach", measure: "rssKB", to: "discordjs", most: 1 },
  { scenario: "idle-zlib", client: "forEach", measure: "liveKB", to: "discordjs", most: 1 }
]

/** Why a client is not in a scenario, or undefined. `knows` is what this build of the library can do. */
export const blank = (client, scenario, knows) => {
  const { compression, ownOptions } = scenario
  if (clients[client].role === "own") {
    if (compression !== "none" && !knows.compression) return "this build has no compression"
    if (client !== "on" && ownOptions?.events !== undefined && !knows.events) return "this build has no filter"
  }
  if (compression === "zstd-stream" && (client === "discordjs" || client === "cloudstorm")) return "it has no zstd"
  return undefined
}
