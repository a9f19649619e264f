import { assert, describe, it } from "@effect/vitest"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as Hash from "effect/Hash"
import * as HashRing from "effect/HashRing"
import { ShardId } from "../../src/schema/ShardId.ts"
import * as ShardNames from "../../src/cluster/ShardNames.ts"

/** The part of a name, as Effect's cluster has it. */
const partOf = (parts: number) => (name: string) => Math.abs(Hash.string(name) % parts) + 1

/** The number of shards that each machine of a cluster has. */
const spread = (shards: number, parts: number, machines: number) => {
  const ring = HashRing.make<RunnerAddress.RunnerAddress>()
  const addresses = Array.from({ length: machines }, (_, index) => RunnerAddress.make(`machine-${index}`, 34431))
  for (const address of addresses) HashRing.add(ring, address)
  const owners = HashRing.getShards(ring, parts) ?? []
  const nameOf = ShardNames.inTurn(partOf(parts), parts)
  const counts = new Map(addresses.map(({ host }) => [host, 0]))
  for (let id = 0; id < shards; id++) {
    const host = owners[partOf(parts)(nameOf(new ShardId({ id, total: shards }))) - 1]?.host ?? ""
    counts.set(host, (counts.get(host) ?? 0) + 1)
  }
  return [...counts.values()].toSorted((a, b) => a - b)
}

describe("shards that are put into the parts of a cluster in turn", () => {
  it("are spread evenly where there are as many parts as shards", () => {
    assert.deepStrictEqual(spread(8, 8, 2), [4, 4])
    assert.deepStrictEqual(spread(64, 64, 3), [21, 21, 22])
    assert.deepStrictEqual(spread(256, 256, 5), [51, 51, 51, 51, 52])
  })

  it("differ by little where there are more shards than parts", () => {
    const [least = 0, , most = 0] = spread(1024, 300, 3)
    assert.isAtMost(most - least, 40)
  })

  it("have a name each, which ends with the shard's own", () => {
    const nameOf = ShardNames.inTurn(partOf(300), 300)
    const shards = Array.from({ length: 700 }, (_, id) => new ShardId({ id, total: 700 }))
    assert.strictEqual(new Set(shards.map(nameOf)).size, 700)
    for (const shard of shards) assert.isTrue(nameOf(shard).endsWith(`-${shard.toString()}`))
  })
})
