/**
 * Parser of names of dispatches, as people type them.
 */
import * as Result from "effect/Result"
import { dispatchNames } from "../schema/DispatchNames.ts"
import { unknownEvent } from "../schema/NearestEvents.ts"

const names: ReadonlyArray<string> = dispatchNames

/**
 * Parser of comma-separated names. Fails with a message.
 *
 * ```ts
 * parseEventNames("READY,message_create") // Result.succeed(new Set(["READY", "MESSAGE_CREATE"]))
 * parseEventNames("MESAGE_CREATE") // Result.fail('"MESAGE_CREATE" is not an event. Did you mean MESSAGE_CREATE?')
 * ```
 */
export const parseEventNames = (input: string): Result.Result<ReadonlySet<string>, string> => {
  const given = input.split(/[\s,]+/).filter((name) => name !== "")
  if (given.length === 0) return Result.fail("it takes at least one event, such as MESSAGE_CREATE")
  const wrong = given.find((name) => !names.includes(name.toUpperCase()))
  return wrong === undefined
    ? Result.succeed(new Set(given.map((name) => name.toUpperCase())))
    : Result.fail(unknownEvent(wrong))
}
