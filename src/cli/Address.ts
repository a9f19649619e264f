/**
 * Parser and printer of a host with a port.
 */
import * as Result from "effect/Result"

/** Address of a server. */
export interface Address {
  readonly host: string
  readonly port: number
}

const loopback = "127.0.0.1"

/** Parser of `127.0.0.1:8080`, `[::1]:8080`, and `8080` on the loopback. */
export const parseAddress = (text: string): Result.Result<Address, string> => {
  const [, bracketed, plain, digits = ""] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text.trim()) ?? []
  const port = Number(digits)
  return digits === "" || port > 65_535
    ? Result.fail(`"${text}" is not an address: it takes a host and a port, such as 127.0.0.1:8080`)
    : Result.succeed({ host: bracketed ?? plain ?? loopback, port })
}

/** URL of a server at the address. */
export const urlOf = ({ host, port }: Address): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}/`

/** Test for a loopback address, which only this computer can reach. */
export const isLocal = ({ host }: Address): boolean => host === "localhost" || host === "::1" || host.startsWith("127.")
