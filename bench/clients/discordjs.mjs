import { CompressionMethod, WebSocketManager, WebSocketShardEvents } from "@discordjs/ws"

export default ({ compression, consume, shards = 1, url }) => {
  const info = {
    url,
    shards,
    session_start_limit: { total: 100_000, remaining: 100_000, reset_after: 86_400_000, max_concurrency: 1000 }
  }
  const manager = new WebSocketManager({
    token: "token",
    intents: 0,
    shardCount: shards,
    rest: { get: async () => info },
    compression: compression === "none" ? null : CompressionMethod.ZlibNative
  })
  if (consume !== undefined) manager.on(WebSocketShardEvents.Dispatch, ({ d, t }) => consume(t, d))
  return manager.connect()
}
