/**
 * A bot on many machines: each shard of Discord is a `Singleton` of Effect's cluster, so it runs on exactly one of them.
 *
 * The program is the same as in one process, with a `Gateway` of one shard. When machines come and go the shards move:
 * the session is stored where all machines reach it, and the shard resumes where it lands.
 */
import * as EntityId from "effect/cluster/EntityId"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Persistence from "effect/persistence/Persistence"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidConfig, UnsupportedVersion } from "../schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { SendTimeout, ShardUnreachable, UnknownShard } from "../schema/SendError.ts"
import { route, type SendEvent } from "../schema/SendEvent.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import { ShardId } from "../schema/ShardId.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import type { SendOptions } from "../gateway/ShardManager.ts"
import type { Gateway, GatewayServices } from "../gateway/Gateway.ts"
import * as GatewayInstruments from "../gateway/GatewayInstruments.ts"
import * as ShardEvents from "../gateway/ShardEvents.ts"
import * as BotMetrics from "../services/BotMetrics.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayConnection } from "../services/GatewayConnection.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import * as ClusterShards from "./ClusterShards.ts"
import { bodies, ClusterShardStatus, DiscordShard, frameOf, movingStatus } from "./DiscordShard.ts"
import { type ClusterMessage, ClusterProtocol, type NewerMessage } from "./ClusterMessage.ts"
import * as ClusterGrowth from "./ClusterGrowth.ts"
import * as ClusterPlan from "./ClusterPlan.ts"
import { Plan } from "./ClusterPlan.ts"
import * as DiscordReach from "./DiscordReach.ts"
import { LocalShards } from "./LocalShards.ts"
import { Retreat } from "./Retreat.ts"
import * as ShardNames from "./ShardNames.ts"

/**
 * The program of a shard failed with an error of its own.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProgramFailed extends Schema.TaggedError<ProgramFailed>("disruption-gateway/ProgramFailed")(
  "ProgramFailed",
  {
    shard: ShardId,
    cause: Schema.Defect()
  }
) {
  override get message() {
    return `The program of shard ${this.shard.toString()} failed`
  }
}

/**
 * The services that the cluster's shards are made of.
 *
 * @since 0.1.0
 * @category models
 */
export type ClusterServices = GatewayServices | Persistence.BackingPersistence | Sharding.Sharding

/**
 * The services of a program that the cluster does not provide to it.
 *
 * @since 0.1.0
 * @category models
 */
export type ProgramServices<R> = Exclude<Exclude<Exclude<R, GatewayCluster>, Gateway>, Scope.Scope>

/**
 * The bot's shards on all machines.
 *
 * @since 0.1.0
 * @category services
 */
export class GatewayCluster extends Context.Service<
  GatewayCluster,
  {
    /**
     * Sends a payload through the shard it belongs to, wherever that runs; a shard that is moving is waited for. Fails as
     * `Gateway.send` does, and with `SendTimeout` after `timeout` (30 seconds unless given). A payload whose machine is
     * killed at that moment may be sent twice.
     */
    readonly send: (event: SendEvent, options?: SendOptions) => Effect.Effect<void, GatewayError>
    /** Status of every shard of the cluster, by number, asked of the machines. */
    readonly shards: Effect.Effect<ReadonlyArray<ClusterShardStatus>>
    /** Status of this machine's shards. */
    readonly here: Effect.Effect<ReadonlyArray<ShardStatus>>
    /** Events of this machine's connections, beginning with the last 128. */
    readonly changes: Stream.Stream<ShardEvent>
    /** Number of shards of the cluster. */
    readonly total: Effect.Effect<number>
    /** Gives a shard a new connection, on which it resumes, wherever it runs. */
    readonly restart: (shard: number) => Effect.Effect<void, GatewayError>
    /**
     * Runs the cluster with another number of shards: brings the new ones up beside the old, and switches when all are
     * ready. Nothing is lost; what comes in the seconds around the switch may come twice. Called again after a failure it
     * goes on. Ends when every machine has been told.
     */
    readonly reshard: (total: number) => Effect.Effect<void, GatewayError | Persistence.PersistenceError>
    /** Waits for the first shard or program on this machine that cannot go on, and fails as it did. */
    readonly failure: Effect.Effect<never, GatewayError | ProgramFailed>
  }
>()("disruption-gateway/cluster/GatewayCluster") {
  /**
   * Runs the program for every shard that the cluster gives to this machine.
   *
   * ```ts
   * GatewayCluster.layer(
   *   Effect.gen(function* () {
   *     const gateway = yield* Gateway
   *     yield* Stream.runForEach(gateway.on("MESSAGE_CREATE"), answer)
   *   })
   * )
   * ```
   */
  static readonly layer = <E, R>(
    program: Effect.Effect<unknown, E, R>
  ): Layer.Layer<GatewayCluster, GatewayError, ProgramServices<R> | ClusterServices> =>
    Layer.effect(GatewayCluster, make(program))

  /** Runs the program on the shards of this machine until one of them cannot go on. */
  static readonly run = <E, R>(
    program: Effect.Effect<unknown, E, R>
  ): Effect.Effect<never, GatewayError | ProgramFailed, ProgramServices<R> | ClusterServices> =>
    GatewayCluster.use(({ failure }) => failure).pipe(Effect.provide(GatewayCluster.layer(program)))
}

/** Default time limit of a send, and of a call to another machine. */
const sendTime = Duration.seconds(30)
const statusTime = Duration.seconds(3)

/** Shards that are called at once. */
const concurrency = 64

/** Shards of other machines that are asked whether Discord can be reached. */
const askedOfOthers = 16

/** Time limit of a connection that is opened to find out whether Discord can be reached. */
const connectTime = Duration.seconds(5)

const fail = (reason: GatewayErrorReason, shard?: number) =>
  Effect.fail(new GatewayError(shard === undefined ? { reason } : { reason, shard }))

const idsOf = (total: number) => Array.from({ length: total }, (_, id) => new ShardId({ id, total }))

const make = <E, R>(program: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const config = yield* GatewayConfig
    const directory = yield* GatewayDirectory
    const failed = yield* Deferred.make<never, GatewayError | ProgramFailed>()
    const local = yield* LocalShards.make
    const plans = yield* ClusterPlan.make
    const sharding = yield* Sharding.Sharding
    const ownParts = Option.map(
      yield* Effect.serviceOption(ShardingConfig.ShardingConfig),
      ({ shardsPerGroup }) => shardsPerGroup
    )
    const first = yield* plans
      .orElse(
        Effect.map(totalOf(config, directory), (total) =>
          Option.match(ownParts, {
            onNone: () => new Plan({ version: 1, total }),
            onSome: (parts) => new Plan({ version: 2, parts, total })
          })
        ).pipe(Effect.tap(checkParts))
      )
      .pipe(
        Effect.mapError((error) => (error instanceof UnsupportedVersion ? new GatewayError({ reason: error }) : error))
      )
    // An earlier release stored it before it was refused.
    yield* checkParts(first)
    let plan = first
    const placement =
      first.parts === undefined ? { version: first.version } : { version: first.version, parts: first.parts }
    const nameOf = yield* namesOf(first, sharding, ownParts)
    if (config.shards !== "auto" && config.shards.length !== plan.total) {
      yield* Effect.logWarning(
        `The cluster runs ${plan.total} shards, and this machine with it, though its configuration says ` +
          `${config.shards.length}. GatewayCluster.reshard changes the cluster.`
      )
    }
    const clientOf = yield* DiscordShard.client
    const version = yield* ClusterProtocol

    const shardOf = (id: number) =>
      Number.isInteger(id) && id >= 0 && id < plan.total
        ? Effect.succeed(new ShardId({ id, total: plan.total }))
        : fail(new UnknownShard({ id, known: idsOf(plan.total).map((shard) => shard.id) }))

    const send: GatewayCluster["Service"]["send"] = Effect.fnUntraced(function* (event, options = {}) {
      const whole = yield* encoded(event)
      const routes = route(event, options.shard, { ids: idsOf(plan.total).map(({ id }) => id), total: plan.total })
      const time = options.timeout === undefined ? sendTime : Duration.fromInputUnsafe(options.timeout)
      yield* Effect.forEach(
        routes,
        ([id, part]) =>
          Effect.flatMap(
            Effect.all([shardOf(id), part === event ? Effect.succeed(whole) : encoded(part)]),
            ([shard, frame]) =>
              call(shard, doneBy(bodies.frame.write(frame, version), clientOf(nameOf(shard)).Send), time)
          ),
        { concurrency, discard: true }
      )
    })

    const nothing = bodies.nothing.write({}, version)
    /** Refusals that the log has told of: `shards` is asked again and again. */
    const told = new Set<string>()
    const tell = (refusal: NewerMessage) =>
      Effect.suspend(() => {
        if (told.has(refusal.message)) return Effect.void
        told.add(refusal.message)
        return Effect.logWarning(refusal.message)
      })

    const statusOf = (shard: ShardId) =>
      Effect.orElseSucceed(
        call(
          shard,
          nothing.pipe(
            Effect.flatMap(clientOf(nameOf(shard)).Status),
            Effect.tapErrorTag("NewerMessage", tell),
            Effect.flatMap(bodies.status.read)
          ),
          statusTime
        ),
        () => new ClusterShardStatus({ shard, ...movingStatus })
      )

    const statuses = (total: number) => Effect.forEach(idsOf(total), statusOf, { concurrency })

    const events = yield* ShardEvents.make(
      GatewayInstruments.make(yield* BotMetrics.contextOf(config.token), config.events).onEvent
    )
    yield* Effect.forkScoped(Stream.runForEach(events.changes, local.tell))

    /** Brings other shards up beside the present ones, and switches to them when all are ready. */
    const replace = Effect.fnUntraced(function* (
      total: number,
      { early, held, refused }: Parameters<ClusterGrowth.Parts["reshard"]>[1]
    ) {
      const from = plan.total
      const write = (next: Partial<Pick<Plan, "next" | "early">> & Pick<Plan, "total">) =>
        Effect.andThen(held, plans.write(new Plan({ ...placement, ...next })))
      yield* write({ total: from, next: total, ...(early ? { early } : {}) })
      const isReady = Effect.gen(function* () {
        const refusal = yield* refused
        if (Option.isSome(refusal)) {
          yield* write({ total: from })
          return yield* fail(refusal.value)
        }
        return (yield* statuses(total)).every(({ state }) => state === "ready")
      })
      yield* Effect.repeat(Effect.delay(isReady, "1 second"), { until: (done) => done })
      const now = yield* Effect.orElseSucceed(plans.read, Option.none)
      if (Option.exists(now, (now) => now.total !== total && now.next !== total)) {
        const description = "another machine has begun to give the cluster another number of them meanwhile"
        return yield* fail(new InvalidConfig({ option: "shards", description }))
      }
      yield* write({ total })
      yield* events.announce((at) => ShardEvent.Resharded({ shard: 0, at, from, to: total }))
      yield* Effect.sleep(ClusterShards.switchTime)
    })

    const reshard: GatewayCluster["Service"]["reshard"] = Effect.fnUntraced(
      function* (total) {
        if (!Number.isInteger(total) || total < 1) {
          return yield* fail(new InvalidConfig({ option: "shards", description: `${total} is not a number of shards` }))
        }
        if (total === plan.total) return
        yield* replace(total, { early: false, held: Effect.void, refused: Effect.succeedNone })
      },
      Effect.withSpan(
        "GatewayCluster.reshard",
        { attributes: { "messaging.system": "discord" } },
        { captureStackTrace: false }
      )
    )

    const growing = config.shards === "auto" && config.gatewayUrl === undefined ? config.growth : false
    const growth =
      growing === false
        ? undefined
        : yield* ClusterGrowth.make(growing, {
            config,
            directory,
            plan: () => plan,
            announce: events.announce,
            reshard: (total, options) => (total === plan.total ? Effect.void : replace(total, options)),
            giveUp: (error) => Deferred.fail(failed, error)
          })

    const service = GatewayCluster.of({
      send,
      shards: Effect.suspend(() => statuses(plan.total)),
      here: local.status,
      changes: local.changes,
      total: Effect.sync(() => plan.total),
      restart: (id) =>
        Effect.flatMap(shardOf(id), (shard) => call(shard, doneBy(nothing, clientOf(nameOf(shard)).Restart), sendTime)),
      reshard,
      failure: Deferred.await(failed)
    })

    const gatewayConnection = yield* GatewayConnection
    const retreat = yield* Retreat
    if (Option.isSome(retreat)) {
      yield* Effect.forkScoped(
        DiscordReach.watch({
          here: local.status,
          isReachedByOthers: Effect.gen(function* () {
            const own = new Set((yield* local.status).map(({ shard }) => shard.toString()))
            const others = yield* Random.shuffle(idsOf(plan.total).filter((shard) => !own.has(shard.toString())))
            const asked = yield* Effect.forEach(Arr.take(others, askedOfOthers), statusOf, { concurrency })
            return asked.some(({ state }) => state === "ready")
          }),
          isReached: Effect.flatMap(directory.url, (url) =>
            gatewayConnection.open({
              url,
              shard: new ShardId({ id: 0, total: plan.total }),
              closeCode: 1000,
              compress: false,
              wanted: () => new Set()
            })
          ).pipe(
            Effect.flatMap(({ receive }) => receive),
            Effect.scoped,
            Effect.timeout(connectTime),
            Effect.isSuccess
          ),
          retreat: retreat.value
        })
      )
    }

    yield* ClusterShards.run({
      program: Effect.provideService(program, GatewayCluster, service),
      local,
      nameOf,
      onFailure: (shard, cause) => {
        const reason = Option.getOrElse(Cause.findErrorOption(cause), () => Cause.squash(cause))
        return Effect.andThen(
          Effect.annotateLogs(Effect.logError("A shard cannot go on", cause), { shard: shard.toString() }),
          Deferred.fail(failed, reason instanceof GatewayError ? reason : new ProgramFailed({ shard, cause: reason }))
        )
      },
      onNewer: (reason) =>
        Effect.andThen(Effect.logError(reason.message), Deferred.fail(failed, new GatewayError({ reason }))),
      plan: first,
      growth,
      read: plans.read,
      onPlan: (next) => {
        plan = next
      }
    })
    if (growth !== undefined) yield* growth.run
    return service
  })

/** The most parts that are tested. Finding names takes time that grows with their square. */
const mostParts = 2000

/** Refuses a plan of too many parts, before it is stored for all machines that come after. */
const checkParts = ({ parts = 0 }: Plan): Effect.Effect<void, GatewayError> =>
  parts > mostParts
    ? fail(
        new InvalidConfig({
          option: "shardsPerGroup",
          description: `${parts} are too many: at most ${mostParts}`
        })
      )
    : Effect.void

/** The names of the shards under a plan. Two machines with different names would run a shard both. */
const namesOf = (
  { parts, version }: Plan,
  sharding: Sharding.Sharding["Service"],
  ownParts: Option.Option<number>
): Effect.Effect<ShardNames.NameOf, GatewayError> => {
  if (version === 1 || parts === undefined) return Effect.succeed(ShardNames.byChance)
  if (Option.getOrUndefined(ownParts) !== parts) {
    const own = Option.match(ownParts, { onNone: () => "does not say", onSome: String })
    return fail(
      new InvalidConfig({
        option: "shardsPerGroup",
        description: `the cluster runs with ${parts} and this machine ${own}: it has to be the same on all machines`
      })
    )
  }
  return Effect.succeed(
    ShardNames.inTurn((name) => sharding.getShardId(EntityId.make(name), ClusterShards.shardGroup).id, parts)
  )
}

/** Call that is answered by what became of it. */
const doneBy = <E>(
  question: Effect.Effect<ClusterMessage>,
  ask: (question: ClusterMessage) => Effect.Effect<ClusterMessage, E>
) => question.pipe(Effect.flatMap(ask), Effect.flatMap(bodies.done.read), Effect.flatMap(Effect.fromResult))

/** Call of another machine with a time limit. */
const call = <A, E2 extends { readonly _tag: string; readonly message: string }>(
  shard: ShardId,
  answer: Effect.Effect<A, GatewayError | E2>,
  time: Duration.Duration
) =>
  answer.pipe(
    Effect.mapError((error) =>
      error instanceof GatewayError
        ? error
        : new GatewayError({ reason: new ShardUnreachable({ id: shard.id, description: error.message }) })
    ),
    Effect.timeoutOrElse({
      duration: time,
      orElse: () => fail(new SendTimeout({ after: time, what: "answered" }), shard.id)
    })
  )

const encoded = (event: SendEvent) =>
  Effect.mapError(Effect.fromResult(frameOf(event)), (reason) => new GatewayError({ reason }))

/** Number of shards: the configured one, or Discord's recommendation. */
const totalOf = (
  { shards }: GatewayConfig["Service"],
  directory: GatewayDirectory["Service"]
): Effect.Effect<number, GatewayError> => {
  if (shards !== "auto") {
    const [one] = shards
    return one !== undefined && shards.length === one.total
      ? Effect.succeed(one.total)
      : fail(
          new InvalidConfig({
            option: "shards",
            description: "a cluster takes their number, or auto, and decides itself which machine runs which shard"
          })
        )
  }
  return directory.recent(Duration.minutes(1)).pipe(
    Effect.map(Option.match({ onNone: () => 1, onSome: ({ info }) => info.shards })),
    Effect.tapError((error) =>
      error.recovery === "fatal"
        ? Effect.void
        : Effect.andThen(Effect.logWarning(error.message), Effect.sleep("2 seconds"))
    ),
    Effect.retry({ while: (error) => error.recovery !== "fatal" })
  )
}
