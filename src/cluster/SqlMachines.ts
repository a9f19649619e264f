/**
 * The engine's list of machines in SQL, read when there is something new in it: a machine that comes or leaves is news, and
 * one that is not heard of is missed at the moment at which its locks end, by a timer for the first of them. The engine reads the
 * list again and again instead, and notices each of these half an interval late.
 *
 * The rows are the engine's.
 */
import { PersistenceError } from "effect/cluster/ClusterError"
import * as Runner from "effect/cluster/Runner"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { ClusterNews } from "./ClusterNews.ts"

/**
 * Longest time between two readings: a machine may have changed the list and ended before it told so. The engine waits for
 * 5 seconds.
 */
const longestWait = Duration.toMillis(Duration.millis(2500))

/** Added to the end of a machine's time, which the database counts in finer steps. */
const margin = 3

/** Pause of the engine between two readings, which wait by themselves. */
export const enginePause = Duration.millis(20)

interface Row {
  readonly runner: string
  readonly healthy: boolean
  /** Seconds until the machine is missed. */
  readonly rest: number | string
}

const decodeRunner = Schema.decodeOption(Schema.fromJsonString(Runner.Runner))

/**
 * List over the engine's tables with this prefix, of machines that are heard of within the time that locks last. It is read at
 * this interval where no news is heard.
 */
export const layer = (
  prefix: string,
  lockExpiration: Duration.Input,
  interval: Duration.Input
): Layer.Layer<RunnerStorage.RunnerStorage, never, RunnerStorage.RunnerStorage | SqlClient.SqlClient | ClusterNews> =>
  Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.gen(function* () {
      const storage = yield* RunnerStorage.RunnerStorage
      const news = yield* ClusterNews
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const table = sql(`${prefix}_runners`)
      const seconds = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(lockExpiration)))
      const pause = Duration.toMillis(Duration.fromInputUnsafe(interval))

      /** News that the last reading has seen. */
      let seen = -1
      let readAt = 0
      /** Time at which the first machine is missed. */
      let missedAt = Number.POSITIVE_INFINITY
      /** Times at which machines are missed, by their rows. */
      let known: ReadonlyMap<string, number> | undefined

      const untilDue = Effect.gen(function* () {
        const now = yield* MonotonicTime.now
        const due = Math.min(missedAt, readAt + (news.isHeard() ? longestWait : Math.min(pause, longestWait)))
        if (due > now) yield* Effect.raceFirst(news.machines.after(seen), Effect.sleep(Math.ceil(due - now)))
      })

      const read = sql<Row>`
        SELECT runner, healthy,
          EXTRACT(EPOCH FROM last_heartbeat + ${seconds} * INTERVAL '1 second' - NOW()) AS rest
        FROM ${table} WHERE last_heartbeat > NOW() - ${seconds} * INTERVAL '1 second'`.pipe(PersistenceError.refail)

      const keyOf = ({ healthy, runner }: Row) => `${runner} ${healthy}`

      /** Remembers the rows, and says whether they changed in a way that is news. */
      const remember = (rows: ReadonlyArray<Row>, now: number): boolean => {
        const next = new Map(rows.map((row) => [keyOf(row), now + Number(row.rest) * 1000 + margin]))
        const before = known
        known = next
        missedAt = Math.min(...next.values())
        if (before === undefined) return false
        for (const key of next.keys()) if (!before.has(key)) return true
        for (const [key, end] of before) if (!next.has(key) && end > now) return true
        return false
      }

      const getRunners = Effect.gen(function* () {
        yield* untilDue
        const isNews = news.machines.latest() > seen
        seen = news.machines.latest()
        readAt = yield* MonotonicTime.now
        const rows = yield* read
        if (remember(rows, readAt) && !isNews && news.isHeard()) yield* news.changed
        return rows.flatMap(({ healthy, runner }) =>
          Option.match(decodeRunner(runner), { onNone: () => [], onSome: (decoded) => [[decoded, healthy] as const] })
        )
      })

      return RunnerStorage.RunnerStorage.of({
        ...storage,
        getRunners: sql.onDialectOrElse({
          pg: () => getRunners,
          orElse: () => Effect.delay(storage.getRunners, Math.min(pause, longestWait))
        }),
        register: (runner, isHealthy) => Effect.tap(storage.register(runner, isHealthy), news.machines.tell),
        unregister: (address) => Effect.tap(storage.unregister(address), news.machines.tell),
        setRunnerHealth: (address, isHealthy) =>
          Effect.tap(storage.setRunnerHealth(address, isHealthy), news.machines.tell)
      })
    })
  )
