import { assert, describe, it } from "@effect/vitest"
import { ConsumedPartition } from "../../src/relay/ConsumedPartition.ts"

const partition = () => new ConsumedPartition({ partition: 3, epoch: 1, losses: 0, last: undefined })

const entry = (position: number, id = position) => ({ position: String(position), id: `a session:0:${id}` })

describe("a partition that a consumer has", () => {
  it("knows what it has in hand, and what it has acknowledged", () => {
    const own = partition()
    assert.strictEqual(own.stateOf(entry(1)), undefined)
    own.take(entry(1))
    assert.strictEqual(own.stateOf(entry(1)), "inHand")
    own.settle(entry(1))
    assert.strictEqual(own.stateOf(entry(1)), "acknowledged")
    assert.strictEqual(own.inHand, 0)
  })

  it("has what it acknowledges again in hand until then, so that it is not given back before", () => {
    const own = partition()
    own.take(entry(1))
    own.settle(entry(1))
    own.takeAgain(entry(1))
    assert.strictEqual(own.inHand, 1)
    own.settle(entry(1))
    assert.strictEqual(own.inHand, 0)
    assert.strictEqual(own.stateOf(entry(1)), "acknowledged")
  })

  it("takes another entry at a position for another one, which the end of the first does not touch", () => {
    const own = partition()
    own.take(entry(1, 10))
    assert.strictEqual(own.stateOf(entry(1, 20)), undefined)
    own.take(entry(1, 20))
    assert.isFalse(own.has(entry(1, 10)))
    own.settle(entry(1, 10))
    assert.isTrue(own.has(entry(1, 20)))
    assert.strictEqual(own.inHand, 1)
  })

  it("forgets what it has acknowledged as new ones come, and not before: what is repeated comes in front of them", () => {
    const own = partition()
    for (let position = 0; position < 1000; position++) own.take(entry(position))
    for (let position = 0; position < 1000; position++) own.settle(entry(position))
    assert.strictEqual(own.stateOf(entry(0)), "acknowledged")
    own.take(entry(1000))
    assert.strictEqual(own.stateOf(entry(0)), undefined)
    assert.strictEqual(own.stateOf(entry(999)), "acknowledged")
  })

  it("counts holders before up to the last entry that they may have handed out", () => {
    const own = new ConsumedPartition({ partition: 3, epoch: 4, losses: 2, last: "2" })
    assert.deepStrictEqual(
      [1, 2, 3].map((position) => own.take(entry(position))),
      [2, 2, 0]
    )
  })
})
