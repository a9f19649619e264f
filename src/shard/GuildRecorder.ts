/**
 * Recorder of one shard's guilds: takes their events as they come, and brings them into `GuildSnapshots` up to the session's
 * low-water mark, before the session itself is stored.
 *
 * So what is stored of a guild is at the mark from which a RESUME replays. Where a process dies between the two writes a guild is
 * ahead of the mark, by what one write had: it has the sequence of its last event, and leaves out those up to there when they are
 * replayed. It is never behind: a session is stored only after its guilds.
 *
 * Guilds and events wait as text: the program may change the objects that it is given.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Persistence from "effect/persistence/Persistence"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import { superseded } from "../services/FencedGuilds.ts"
import type { GuildSnapshots } from "../services/GuildSnapshots.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { type SessionStore, SessionStoreError } from "../services/SessionStore.ts"
import type { Lease } from "../services/ShardLease.ts"
import { applied, compact, type Data, guildEvents, restored } from "./GuildState.ts"

interface PendingEvent {
  readonly sequence: number
  readonly guild: string
  readonly name: string
  /** JSON of its data. */
  readonly text: string
}

/** A guild: as text, or, from its first change until it is written, as data that nobody else has. */
interface KnownGuild {
  readonly sequence: number
  readonly state: string | Data
}

/** Guilds that come before a replay, and the length of their text. */
interface Resumed {
  readonly payloads: ReadonlyArray<Payload>
  readonly size: number
}

/** Milliseconds for which guilds are written after the shard was given up. */
const givenUpFor = 2000

/** Guilds written by one call, so that a slow store gets on with each. */
const writtenAtOnce = 100

/**
 * Events that wait for the mark. A payload that is never acknowledged holds it; then the oldest are applied ahead of it, which
 * only means that they are replayed on a guild that has them.
 */
const pendingAtMost = 4096

/** Text of our own making. */
const parse = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** The recorder of one shard. */
export class GuildRecorder {
  private readonly shard: ShardId
  private readonly snapshots: GuildSnapshots["Service"]
  private readonly lease: Lease
  private readonly clock: Clock.Clock
  /** When the lease was held last, by both clocks. */
  private held = { monotonic: -Infinity, wall: -Infinity }
  /** Id of the session whose guilds these are. Undefined before the first. */
  private session: string | undefined
  private readonly guilds = new Map<string, KnownGuild>()
  private pending: Array<PendingEvent> = []
  /** Guilds that are not stored as they are. */
  private readonly dirty = new Set<string>()
  /** Ids of the guilds that the store has. */
  private stored: ReadonlySet<string> = new Set()
  private isIndexed = false

  constructor(shard: ShardId, snapshots: GuildSnapshots["Service"], lease: Lease, clock: Clock.Clock) {
    this.shard = shard
    this.snapshots = snapshots
    this.lease = lease
    this.clock = clock
  }

  /** The names to decode: those that the program wants, and those of guilds. */
  widen(wanted: ReadonlySet<string> | undefined): ReadonlySet<string> | undefined {
    if (wanted === undefined) return undefined
    if (this.widened?.from !== wanted) this.widened = { from: wanted, to: new Set([...wanted, ...guildEvents]) }
    return this.widened.to
  }

  private widened: { readonly from: ReadonlySet<string>; readonly to: ReadonlySet<string> } | undefined

  /** Whether a dispatch is one of those that are decoded for it. */
  records(name: string): boolean {
    return guildEvents.has(name)
  }

  /** A dispatch came that is no duplicate. */
  onDispatch({ d, s, t }: Payload): void {
    if (t === "READY") return this.onReady(d)
    if (this.session === undefined || t === null || s === null || !guildEvents.has(t) || !Predicate.isObject(d)) return
    const guild =
      t === "GUILD_CREATE" || t === "GUILD_DELETE" || t === "GUILD_UPDATE" ? idOf(d, "id") : idOf(d, "guild_id")
    if (guild === undefined) return
    this.mayWrite()
    this.pending.push({
      sequence: s,
      guild,
      name: t,
      text: JSON.stringify(t === "GUILD_CREATE" ? compact({ ...d }) : d)
    })
    if (this.pending.length > 2 * pendingAtMost) this.advance(this.pending[pendingAtMost]?.sequence ?? s)
  }

  /** Store of sessions that has the guilds of each session before the session. */
  over(store: SessionStore["Service"]): SessionStore["Service"] {
    let refusedAt: number | undefined
    /** Takes the shard back from an instance that took it before it knew that it is no owner, as the sessions' store does. */
    const takenBack = Effect.suspend(() => {
      if (refusedAt === undefined || !this.lease.isConfirmedSince(refusedAt)) return Effect.void
      refusedAt = undefined
      return store.get(this.shard)
    })
    const written = (session: Session) =>
      this.write(session).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            if (error === superseded) refusedAt ??= MonotonicTime.of(this.clock)
          })
        ),
        Effect.mapError(unanswered)
      )
    return {
      ...store,
      set: (session) =>
        Effect.flatMap(Effect.andThen(takenBack, written(session)), (hasGuilds) =>
          store.set(hasGuilds ? new Session({ ...session, hasGuilds }) : session)
        ),
      remove: (shard) => Effect.andThen(store.remove(shard), Effect.mapError(this.forget, unanswered))
    }
  }

  /**
   * Goes on with the guilds of a stored session, and returns them as what comes before its replay. A session that a process
   * without a recorder has carried on with is ahead of its guilds: then there are none, until the next READY.
   */
  resume({ guildCount, hasGuilds, id, sequence }: Session): Effect.Effect<Resumed, Persistence.PersistenceError> {
    if (hasGuilds !== true) return Effect.as(this.snapshots.remove(this.shard), { payloads: [], size: 0 })
    return Effect.map(this.snapshots.load(this.shard, id), (snapshots) => {
      // The store has lost them: those that are joined from now on would be taken for all.
      if (snapshots.length === 0 && guildCount !== undefined && guildCount.available > 0)
        return { payloads: [], size: 0 }
      this.begin(id)
      this.isIndexed = true
      this.stored = new Set(snapshots.map((snapshot) => snapshot.id))
      let size = 0
      const payloads = snapshots.map((snapshot): Payload => {
        const text = JSON.stringify(snapshot.guild)
        size += text.length
        this.guilds.set(snapshot.id, { sequence: snapshot.sequence, state: text })
        return {
          op: GatewayOpcode.Dispatch,
          d: restored({ ...snapshot.guild }),
          s: sequence,
          t: "GUILD_CREATE",
          shard: this.shard.id,
          replayed: true
        }
      })
      return { payloads, size }
    })
  }

  /** Forgets what an earlier session has left. */
  get clear(): Effect.Effect<void, Persistence.PersistenceError> {
    return this.snapshots.remove(this.shard)
  }

  private begin(session: string): void {
    this.session = session
    this.guilds.clear()
    this.dirty.clear()
    this.pending = []
    this.isIndexed = false
  }

  /** READY begins a session, unless it is the replay of one of which nothing was handled. */
  private onReady(d: unknown): void {
    const id = Predicate.hasProperty(d, "session_id") && Predicate.isString(d.session_id) ? d.session_id : undefined
    if (id !== undefined && id !== this.session) this.begin(id)
  }

  /** Applies the events up to a sequence. */
  private advance(sequence: number): void {
    let count = 0
    for (const event of this.pending) {
      if (event.sequence > sequence) break
      count++
      this.apply(event)
    }
    if (count > 0) this.pending = this.pending.slice(count)
  }

  private apply({ guild, name, sequence, text }: PendingEvent): void {
    const known = this.guilds.get(guild)
    if (known !== undefined && sequence <= known.sequence) return
    if (name === "GUILD_DELETE") {
      if (this.guilds.delete(guild)) this.isIndexed = false
      this.dirty.delete(guild)
      return
    }
    const event = parse(text)
    if (name === "GUILD_CREATE") {
      // An outage, in which a guild has nothing to keep.
      if (event["unavailable"] === true) return
      if (known === undefined) this.isIndexed = false
      this.guilds.set(guild, { sequence, state: text })
    } else {
      if (known === undefined) return
      this.guilds.set(guild, { sequence, state: applied(dataOf(known), name, event) })
    }
    this.dirty.add(guild)
  }

  /** Brings the guilds of a session up to its sequence into the store. False where they are not known. */
  private write(session: Session): Effect.Effect<boolean, Persistence.PersistenceError | SessionStoreError> {
    return Effect.gen({ self: this }, function* () {
      const { id, sequence } = session
      if (id !== this.session) return false
      this.advance(sequence)
      while (this.dirty.size > 0) {
        if (!this.mayWrite()) return yield* movedAway
        const batch = [...this.dirty].slice(0, writtenAtOnce).flatMap((guild) => {
          const known = this.guilds.get(guild)
          return known === undefined ? [] : [{ guild, known }]
        })
        const changed = batch.map(({ guild, known }) => ({
          id: guild,
          sequence: known.sequence,
          guild: dataOf(known)
        }))
        yield* this.snapshots.save(this.shard, id, { changed, guilds: undefined, forgotten: [] })
        if (id !== this.session) return false
        for (const { guild, known } of batch) {
          if (this.guilds.get(guild) !== known) continue
          this.dirty.delete(guild)
          const { sequence, state } = known
          if (!Predicate.isString(state)) this.guilds.set(guild, { sequence, state: JSON.stringify(state) })
        }
      }
      if (this.isIndexed) return true
      if (!this.mayWrite()) return yield* movedAway
      const guilds = [...this.guilds.keys()]
      const forgotten = [...this.stored].filter((guild) => !this.guilds.has(guild))
      this.isIndexed = true
      yield* Effect.onError(this.snapshots.save(this.shard, id, { changed: [], guilds, forgotten }), () =>
        Effect.sync(() => {
          this.isIndexed = false
        })
      )
      this.stored = new Set(guilds)
      return true
    })
  }

  /**
   * Whether the shard is this process's, or was a moment ago: a machine that stops gives its locks up first, and then writes what it
   * has. The next owner handles these events, too, and writes them after it. One that was paused writes nothing.
   */
  private mayWrite(): boolean {
    const now = { monotonic: MonotonicTime.of(this.clock), wall: this.clock.currentTimeMillisUnsafe() }
    if (this.lease.isHeld()) {
      this.held = now
      return true
    }
    return now.monotonic - this.held.monotonic < givenUpFor && now.wall - this.held.wall < givenUpFor
  }

  private get forget(): Effect.Effect<void, Persistence.PersistenceError> {
    return Effect.suspend(() => {
      this.stored = new Set()
      this.isIndexed = false
      for (const guild of this.guilds.keys()) this.dirty.add(guild)
      return this.snapshots.remove(this.shard)
    })
  }
}

const movedAway = new SessionStoreError({ description: "this instance may not hold the sessions any more" })

const unanswered = ({ message }: { readonly message: string }) => new SessionStoreError({ description: message })

const idOf = (d: object, key: string): string | undefined => {
  const id = Predicate.hasProperty(d, key) ? d[key] : undefined
  return Predicate.isString(id) && /^\d+$/.test(id) ? id : undefined
}

const dataOf = ({ state }: KnownGuild): Data => (Predicate.isString(state) ? parse(state) : state)
