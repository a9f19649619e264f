/**
 * What a later release stores of a session and of the plan: fields that this one does not know, in a version that it reads.
 */
import * as Predicate from "effect/Predicate"

const fields = { region: "us-east1-b", later: { reads: 3, since: ["1.0.0"] } }

/** The plan as it stores it. */
export const storedPlan = (plan: object): object => ({ ...plan, ...fields })

/** The stored text of a session, as it writes it: the session has more fields, and so has what it is kept with. */
export const storedSession = (text: string): string => {
  const stored: unknown = JSON.parse(text)
  if (!Predicate.isObject(stored)) return text
  const session = Predicate.hasProperty(stored, "session") ? stored.session : undefined
  return JSON.stringify({
    ...stored,
    ...fields,
    ...(Predicate.isObject(session) ? { session: { ...session, ...fields } } : {})
  })
}
