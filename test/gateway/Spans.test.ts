import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { TestClock } from "effect/testing"
import { withDispatchSpan } from "../../src/gateway/DispatchSpan.ts"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import { page } from "../support/Markdown.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"
import { sources } from "../support/Sources.ts"

/** Spans as a tracer gets them. */
const record = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

/** The table of docs/metrics.md: the kind and the attributes of each span of one process. */
const documented = new Map(
  [
    ...page("docs/metrics.md").matchAll(
      /^\| `((?!GatewayCluster)[\w. ]+)` +\| (client|producer|consumer|internal) +\|[^|]*\|([^|]*)\|$/gm
    )
  ].map(([, name = "", kind = "", attributes = ""]) => [
    name,
    { kind, attributes: [...attributes.matchAll(/`([\w.]+)`/g)].map(([, attribute = ""]) => attribute) }
  ])
)

/** Attributes of every span, and of every span that fails. */
const common = ["messaging.system", "error.type"]

describe("spans", () => {
  it.effect("have the names, kinds and attributes that docs/metrics.md says", () => {
    const { spans, tracer } = record()
    return Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* Effect.forkScoped(
        Stream.runForEach(gateway.payloads, (payload) => Effect.void.pipe(withDispatchSpan(payload)))
      )
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* gateway.send(
        SendEvent.updatePresence({ status: PresenceUpdateStatus.Idle, activities: [], since: null, afk: false })
      )
      yield* Effect.flip(
        gateway.send(SendEvent.requestGuildMembers({ guild_id: "1", query: "", limit: 0 }), { shard: 7 })
      )
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("1 minute")
      const resharding = yield* Effect.forkChild(gateway.reshard(2))
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(resharding)

      assert.isAbove(documented.size, 5)
      for (const [name, { attributes, kind }] of documented) {
        const those = spans.filter((span) => span.name === name)
        assert.isNotEmpty(those, name)
        const seen = new Set(those.flatMap((span) => [...span.attributes.keys()]))
        assert.isTrue(seen.has("messaging.system"), name)
        assert.sameMembers(
          [...seen].filter((attribute) => !common.includes(attribute)),
          attributes,
          name
        )
        for (const span of those) assert.strictEqual(span.kind, kind, name)
      }
      const others = new Set(spans.map(({ name }) => name).filter((name) => /^(Shard|Gateway)/.test(name)))
      assert.sameMembers(
        [...others],
        [...documented.keys()].filter((name) => !name.startsWith("process"))
      )
      const failed = spans.flatMap(({ attributes, name }) =>
        attributes.has("error.type") ? [`${name} ${String(attributes.get("error.type"))}`] : []
      )
      assert.sameMembers(failed, ["Gateway.send UnknownShard", "Shard.connect OpenFailed"])
    }).pipe(Effect.provide(SimulatedBot.layer()), Effect.provideService(Tracer.Tracer, tracer))
  })

  it("capture no stack", () => {
    const made = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/Effect\.(?:withSpan|fn)\((?:[^()]|\([^()]*\))*\)/g)].map(([call]) => ({ path, call }))
    )
    const spans = made.filter(({ call }) => /^Effect\.withSpan|^Effect\.fn\("/.test(call))
    assert.isAbove(spans.length, 1)
    assert.deepStrictEqual(
      spans.filter(({ call }) => !call.includes("captureStackTrace: false")),
      []
    )
  })
})
