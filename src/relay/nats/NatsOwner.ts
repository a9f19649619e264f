/**
 * Owner of a bot's sessions in NATS, and the sessions: values that are changed by compare-and-set.
 *
 * The time is the server's: that of the owner's last claim, and that of a message which an instance writes that would follow it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import { FencedSessions } from "../../services/FencedSessions.ts"
import * as LateOwner from "../../services/LateOwner.ts"
import { decodeHolder, encodeHolder, type OwnerAnswer, OwnerStore } from "../../services/OwnerStore.ts"
import type { SessionStore } from "../../services/SessionStore.ts"
import * as NatsApi from "./NatsApi.ts"
import * as NatsCell from "./NatsCell.ts"
import { NatsClient } from "./NatsClient.ts"
import { namesOf, type Names } from "./NatsNames.ts"

const Owner = Schema.Struct({
  epoch: Schema.Int,
  /** Undefined where it has let go. */
  token: Schema.optionalKey(Schema.String),
  holder: Schema.String,
  /** Milliseconds for which the claim is good. */
  lease: Schema.Finite
})

const Session = Schema.Struct({ epoch: Schema.Int, session: Schema.optionalKey(Schema.String) })

const Beside = Schema.Struct({ epoch: Schema.Int, texts: Schema.Record(Schema.String, Schema.String) })

/**
 * Options of the owner and the sessions in NATS.
 *
 * @since 0.1.0
 * @category models
 */
export interface NatsOwnerOptions {
  /** Number of servers that keep them, as `NatsBroker` has it: whichever comes first makes the stream that both use. Default: 1. */
  readonly replicas?: number | undefined
}

/**
 * Keeps the owner and the sessions of this name in NATS, where nothing is taken from an instance that is no owner any more: a fencing
 * token says so, and not a clock. The client is connected at the first call, and again after a failure.
 *
 * ```ts
 * Gateway.layer.pipe(
 *   Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
 *   Layer.provide(NatsOwner.layerWithSessions("my-bot", NatsClient.layer({ servers: "nats://127.0.0.1:4222" })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithSessions = <E, R>(
  name: string,
  client: Layer.Layer<NatsClient, E, R>,
  options: NatsOwnerOptions = {}
): Layer.Layer<OwnerStore | SessionStore, never, R> => LateOwner.layer(Layer.provide(layer(name, options), client))

const layer = (
  name: string,
  { replicas }: NatsOwnerOptions
): Layer.Layer<OwnerStore | FencedSessions, NatsApi.NatsError, NatsClient> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const api = yield* NatsApi.make(yield* NatsClient)
      const names = namesOf(name)
      yield* NatsCell.openStream(api, names.state, names.states, replicas ?? 1)
      return Context.make(OwnerStore, ownerIn(api, names)).pipe(Context.add(FencedSessions, sessionsIn(api, names)))
    })
  )

const ownerIn = (api: NatsApi.NatsApi, names: Names): OwnerStore["Service"] => {
  const owner = NatsCell.make(api, names.state, names.owner, Owner)

  /** Time of the server. */
  const serverTime = Effect.gen(function* () {
    yield* api.ask(() => api.publisher.publish(names.clock, ""))
    const message = yield* api.last(names.state, names.clock)
    return message?.at ?? 0
  })

  return OwnerStore.of({
    claim: Effect.fnUntraced(function* ({ epoch, holder, lease, token }) {
      const renews = epoch !== undefined
      const now = renews ? 0 : yield* serverTime
      return yield* owner.update<OwnerAnswer>(({ at, value }) => {
        const isOwn = value?.token === token
        const isFree = value === undefined || (!renews && (value.token === undefined || at + value.lease <= now))
        if (!isOwn && !isFree)
          return [{ _tag: "Held", by: Option.getOrUndefined(decodeHolder(value?.holder)) }, undefined]
        const next = isOwn ? value.epoch : (epoch ?? (value?.epoch ?? 0) + 1)
        return [
          { _tag: "Granted", epoch: next },
          { epoch: next, token, holder: encodeHolder(holder), lease }
        ]
      })
    }),
    release: (token) =>
      owner.update(({ value }) => {
        if (value?.token !== token) return [undefined, undefined]
        const { epoch, holder, lease } = value
        return [undefined, { epoch, holder, lease }]
      })
  })
}

const unanswered = ({ message }: NatsApi.NatsError) => new Persistence.PersistenceError({ message })

const sessionsIn = (api: NatsApi.NatsApi, names: Names): FencedSessions["Service"] => {
  const sessionOf = (shard: string) => NatsCell.make(api, names.state, names.session(shard), Session)
  const besideOf = (shard: string) => NatsCell.make(api, names.state, names.beside(shard), Beside)

  return FencedSessions.of({
    take: (shards) =>
      Effect.forEach(
        shards,
        Effect.fnUntraced(function* (shard) {
          const taken = yield* sessionOf(shard).update(({ value }) => {
            const epoch = (value?.epoch ?? 0) + 1
            return [
              { epoch, session: value?.session },
              { ...value, epoch }
            ]
          })
          // The texts have the epoch, too, so that they are fenced by the same step that writes them.
          yield* besideOf(shard).update(({ value }) => [
            undefined,
            { epoch: Math.max(value?.epoch ?? 0, taken.epoch), texts: value?.texts ?? {} }
          ])
          return [shard, taken] as const
        }),
        { concurrency: "unbounded" }
      ).pipe(
        Effect.map((taken) => new Map(taken)),
        Effect.mapError(unanswered)
      ),
    write: (writes) =>
      Effect.forEach(
        writes,
        ({ epoch, session, shard }) =>
          sessionOf(shard).update(({ value }) =>
            value?.epoch === epoch ? [[shard], session === undefined ? { epoch } : { epoch, session }] : [[], undefined]
          ),
        { concurrency: "unbounded" }
      ).pipe(
        Effect.map((written) => new Set(written.flat())),
        Effect.mapError(unanswered)
      ),
    readBeside: (shard, wanted) =>
      besideOf(shard).get.pipe(
        Effect.map(
          ({ value }) =>
            new Map(
              wanted.flatMap((name) => {
                const text = value?.texts[name]
                return text === undefined ? [] : [[name, text] as const]
              })
            )
        ),
        Effect.mapError(unanswered)
      ),
    writeBeside: ({ epoch, shard, texts }) =>
      besideOf(shard)
        .update(({ value }) => {
          if (value?.epoch !== epoch) return [false, undefined]
          const kept = new Map(Object.entries(value.texts))
          for (const [name, text] of texts) {
            if (text === undefined) kept.delete(name)
            else kept.set(name, text)
          }
          return [true, { epoch, texts: Object.fromEntries(kept) }]
        })
        .pipe(Effect.mapError(unanswered))
  })
}
