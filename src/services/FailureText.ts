/**
 * Words for the failure of a store: errors of database clients often say nothing themselves, and have what happened as their cause.
 */

/** The failure, with its causes, in one line. */
export const failureText = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.message === "") return error.errors.map(failureText).join(", ")
  const cause = error.cause === undefined ? "" : failureText(error.cause)
  if (error.message === "") return cause === "" ? error.name : cause
  if (cause.startsWith(error.message)) return cause
  return cause === "" || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`
}
