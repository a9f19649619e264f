/**
 * A host and a port, for those who type them.
 */
import * as Result from "effect/Result"

/** Where something is served. */
export interface Address {
  readonly host: string
  readonly port: number
}

const loopback = "127.0.0.1"

/** Reads `127.0.0.1:8080`, `[::1]:8080`, and `8080` for the loopback. */
export const parseAddress = (text: string): Result.Result<Address, string> => {
  const [, bracketed, plain, digits = ""] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text.trim()) ?? []
  const port = Number(digits)
  return digits === "" || port > 65_535
    ? Result.fail(`"${text}" is not an address: it takes a host and a port, such as 127.0.0.1:8080`)
    : Result.succeed({ host: bracketed ?? plain ?? loopback, port })
}

/** The URL of what is served there. */
export const urlOf = ({ host, port }: Address): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}/`

/** Whether only this computer can reach it. */
export const isLocal = ({ host }: Address): boolean => host === "localhost" || host === "::1" || host.startsWith("127.")
