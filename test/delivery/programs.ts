// Programs that take events, each in its way, and write down every event in a file that outlives them whatever ends them:
// `node program.js buffer`. The session is in a file, too.
import { closeSync, openSync, writeSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Random, Schedule, type Scope, Stream } from "effect"
import { Gateway, GatewayConfig, type Payload } from "../../src/index.ts"
import { NodeGateway } from "../../src/node.ts"
import { type KindName, kinds, toLine, workOf } from "./Kinds.ts"

type Service = Gateway["Service"]
type Delivery = Stream.Success<Service["deliveries"]>

interface Event {
  readonly n: number
  readonly guild: string
}

/** The event that is counted, if it is one. */
const eventOf = ({ d, t }: Payload): Event | undefined => {
  if (t !== "MESSAGE_CREATE" || typeof d !== "object" || d === null) return undefined
  if (!("n" in d && typeof d.n === "number" && "guild_id" in d && typeof d.guild_id === "string")) return undefined
  return { n: d.n, guild: d.guild_id }
}

interface Tools {
  readonly gateway: Service
  /** Writes an event down. */
  readonly take: (payload: Payload, by?: string, redelivered?: boolean) => Effect.Effect<void>
}

type Program = (tools: Tools) => Effect.Effect<unknown, unknown, Scope.Scope>

/** The work of a handler, which takes its time. */
const work = (payload: Payload, most: number): Effect.Effect<void> => {
  const event = eventOf(payload)
  return event === undefined ? Effect.void : Effect.sleep(workOf(event.n, most))
}

const acknowledging =
  ({ take }: Tools, by?: string) =>
  ({ ack, payload, redelivered }: Delivery) =>
    Effect.andThen(take(payload, by, redelivered), ack)

const keyed =
  (most: number): Program =>
  ({ gateway, take }) =>
    gateway.runForEach((payload) => Effect.andThen(work(payload, most), take(payload)), { concurrency: 16 })

/** Two branches of one stream, each of which takes its half. */
const branches = (tools: Tools, shared: Stream.Stream<Delivery, unknown>) => {
  const halfOf = ({ payload }: Delivery) => (eventOf(payload)?.n ?? 0) % 2
  const branch = (half: number) =>
    shared.pipe(
      Stream.filter((delivery) => halfOf(delivery) === half),
      Stream.runForEach(acknowledging(tools))
    )
  return Effect.all([branch(0), branch(1)], { concurrency: "unbounded", discard: true })
}

const programs: Record<KindName | "keyed, timed", Program> = {
  runForEach: ({ gateway, take }) => gateway.runForEach((payload) => take(payload)),
  handle: ({ gateway, take }) => gateway.handle({ MESSAGE_CREATE: (dispatch) => take(dispatch) }),
  keyed: keyed(20),
  "keyed, timed": keyed(50),
  merge: (tools) =>
    tools.gateway.deliveries.pipe(
      Stream.merge(Stream.tick("5 millis")),
      Stream.runForEach((either) => (either === undefined ? Effect.void : acknowledging(tools)(either)))
    ),
  "merge with changes": (tools) =>
    tools.gateway.deliveries.pipe(
      Stream.merge(tools.gateway.changes),
      Stream.runForEach((either) => ("ack" in either ? acknowledging(tools)(either) : Effect.void))
    ),
  buffer: (tools) =>
    tools.gateway.deliveries.pipe(
      Stream.buffer({ capacity: 100 }),
      Stream.mapEffect((delivery) => Effect.andThen(work(delivery.payload, 3), acknowledging(tools)(delivery))),
      Stream.runDrain
    ),
  broadcast: (tools) =>
    Effect.flatMap(Stream.broadcast(tools.gateway.deliveries, { capacity: 16 }), (shared) => branches(tools, shared)),
  share: (tools) =>
    Effect.flatMap(Stream.share(tools.gateway.deliveries, { capacity: 16 }), (shared) => branches(tools, shared)),
  groupByKey: (tools) =>
    tools.gateway.deliveries.pipe(
      Stream.groupByKey(({ payload }) => eventOf(payload)?.guild ?? ""),
      Stream.mapEffect(
        ([, ofGuild]) =>
          Stream.runForEach(ofGuild, (delivery) =>
            Effect.andThen(work(delivery.payload, 20), acknowledging(tools)(delivery))
          ),
        { concurrency: "unbounded" }
      ),
      Stream.runDrain
    ),
  "timeout, interruptWhen": (tools) => {
    const handle = (delivery: Delivery) => Effect.andThen(work(delivery.payload, 3), acknowledging(tools)(delivery))
    const interrupted = tools.gateway.deliveries.pipe(
      Stream.interruptWhen(Effect.sleep("50 millis")),
      Stream.runForEach(handle)
    )
    const timed = tools.gateway.deliveries.pipe(Stream.timeout("20 millis"), Stream.runForEach(handle))
    return Effect.forever(Effect.andThen(interrupted, Effect.timeoutOption(timed, "50 millis")))
  },
  grouped: (tools) =>
    tools.gateway.deliveries.pipe(
      Stream.grouped(10),
      Stream.runForEach((group) => Effect.forEach(group, acknowledging(tools), { discard: true }))
    ),
  "mapEffect 16": (tools) =>
    tools.gateway.deliveries.pipe(
      Stream.mapEffect((delivery) => Effect.andThen(work(delivery.payload, 20), acknowledging(tools)(delivery)), {
        concurrency: 16
      }),
      Stream.runDrain
    ),
  "slow and quick, SIGTERM": ({ gateway, take }) =>
    Effect.all(
      [
        Stream.runForEach(gateway.payloads, (payload) =>
          Effect.andThen(
            (eventOf(payload)?.n ?? 1) % 10 === 0 ? Effect.sleep("20 millis") : Effect.void,
            take(payload, "slow")
          )
        ),
        Stream.runForEach(gateway.on("MESSAGE_CREATE"), (payload) => take(payload, "quick"))
      ],
      { concurrency: "unbounded" }
    ),
  "fails inside retry": ({ gateway, take }) =>
    gateway
      .runForEach((payload) =>
        Effect.flatMap(Random.nextIntBetween(0, 50), (dice) =>
          dice === 0 ? Effect.fail("now and then") : take(payload)
        )
      )
      .pipe(Effect.retry(Schedule.spaced("10 millis"))),
  "take(1) again and again": ({ gateway, take }) =>
    Effect.forever(Stream.runForEach(Stream.take(gateway.payloads, 1), (payload) => take(payload))),
  "deliveries, take(1)": (tools) =>
    Effect.forever(Stream.runForEach(Stream.take(tools.gateway.deliveries, 1), acknowledging(tools))),
  "runHead, then the rest": ({ gateway, take }) =>
    Effect.andThen(
      Stream.runHead(gateway.on("READY")),
      Stream.runForEach(gateway.payloads, (payload) => take(payload))
    )
}

const isProgram = (name: string | undefined): name is keyof typeof programs => name !== undefined && name in programs

const program = Effect.gen(function* () {
  const name = process.argv[2]
  if (!isProgram(name)) return yield* Effect.die(new Error(`${name} is none of ${Object.keys(kinds).join(", ")}`))
  const path = yield* Config.String("PROOF_RECORD")
  const sessions = yield* Config.String("PROOF_SESSIONS")
  const file = yield* Effect.acquireRelease(
    Effect.sync(() => openSync(path, "a")),
    (file) => Effect.sync(() => closeSync(file))
  )
  // Written lines outlive the process, if not the machine; waiting for the disk would starve heartbeats.
  const take: Tools["take"] = (payload, by = "all", redelivered = false) =>
    Effect.sync(() => {
      const event = eventOf(payload)
      if (event === undefined) return
      writeSync(file, toLine({ ...event, by, redelivered, at: performance.now() }))
    })
  yield* Effect.flatMap(Gateway, (gateway) => programs[name]({ gateway, take })).pipe(
    Effect.provide(NodeGateway.layerWithSessionFile(sessions).pipe(Layer.provide(GatewayConfig.layerEnv)))
  )
})

NodeRuntime.runMain(Effect.scoped(program))
