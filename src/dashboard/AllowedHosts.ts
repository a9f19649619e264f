/**
 * Check of the `Host` that a browser asks for, against DNS rebinding: a page elsewhere whose name is pointed at this server
 * could otherwise read the dashboard.
 *
 * Names are what can be pointed elsewhere, so the loopback's and bare addresses pass, and other names have to be listed.
 */

/** Test of a `Host` header against the names that are allowed besides the loopback's; `"any"` allows all. */
export const isAllowedHost = (host: string | undefined, allowed: ReadonlyArray<string> | "any"): boolean => {
  // Every browser sends one.
  if (allowed === "any" || host === undefined) return true
  const name = nameOf(host)
  return isLoopback(name) || isAddress(name) || allowed.some((other) => nameOf(other) === name)
}

/** Host without its port, in lower case. */
const nameOf = (host: string): string =>
  URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname.replace(/\.$/, "") : host

const isLoopback = (name: string): boolean => name === "localhost" || name.endsWith(".localhost")

const isAddress = (name: string): boolean => /^\d+(\.\d+){3}$/.test(name) || name.startsWith("[")
