/**
 * Fence of a session file: what an owner of before still writes does not come into the file, however late it does so.
 *
 * An owner writes the new file under a name that has its epoch, looks whether it has been followed, and only then gives it the name
 * of the session file. Whoever follows makes its own mark first, then removes the new files of earlier epochs, and then reads the
 * sessions. An owner that was paused between its look and its renaming finds nothing that it could rename.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"

/** The owner of a session file, as the file's writer sees it. */
export interface Fence {
  /** Epoch under which this instance is the owner; undefined where it is none. */
  readonly epoch: () => number | undefined
  /** Whether another instance has followed the one of this epoch. */
  readonly isFollowed: (epoch: number) => Effect.Effect<boolean, PlatformError>
}

/** The fence of the session file; undefined where no owner is asked for. */
export const FileFence: Context.Reference<Fence | undefined> = Context.Reference<Fence | undefined>(
  "disruption-gateway/services/FileFence",
  { defaultValue: () => undefined }
)

/** Name of the new file of an epoch, before it takes the place of the file at `path`. */
export const freshOf = (path: string, epoch: number): string => `${path}.${epoch}.new`

/** The epoch of a new file of the file of this name; undefined for any other file. */
export const epochOf = (name: string, fresh: string): number | undefined => {
  const epoch = fresh.startsWith(`${name}.`) ? /^(\d+)\.new$/.exec(fresh.slice(name.length + 1))?.[1] : undefined
  return epoch === undefined ? undefined : Number(epoch)
}
