/**
 * Gateway URLs: the query that each carries, and the check of URLs that a RESUME, with its token, may go to.
 */
import * as Option from "effect/Option"
import type { TransportCompression } from "./Compression.ts"

/** Version of the gateway protocol. */
export const gatewayVersion = 10

/** Gateway URL with version, encoding and compression in its query. None if it is not a URL. */
export const withQuery = (url: string, compression: TransportCompression | undefined): Option.Option<string> =>
  Option.map(parse(url), (parsed) => {
    parsed.searchParams.set("v", String(gatewayVersion))
    parsed.searchParams.set("encoding", "json")
    if (compression !== undefined) parsed.searchParams.set("compress", compression)
    return parsed.href
  })

/** Host and port of a URL, for people. */
export const hostOf = (url: string): string =>
  Option.match(parse(url), { onNone: () => "an unreadable URL", onSome: ({ host }) => host })

/** Host of a URL without its port: OpenTelemetry's `server.address`. */
export const hostnameOf = (url: string): string =>
  Option.match(parse(url), { onNone: () => "an unreadable URL", onSome: ({ hostname }) => hostname })

/** Test for a URL of this computer, such as that of a simulator. */
export const isLoopbackUrl = (url: string): boolean =>
  Option.exists(parse(url), ({ hostname }) => canonical(hostname) === "localhost")

/**
 * Same-domain check of a resume URL. A RESUME carries the token, so it only goes to the domain of the main URL, and
 * never with less encryption.
 *
 * Discord's main URL is `gateway.discord.gg`, and its resume URLs are siblings, so the domain is `discord.gg`. For any
 * other host it is the host itself; the names of the loopback count as one.
 */
export const isTrustedResumeUrl = (resumeUrl: string, mainUrl: string): boolean =>
  Option.match(Option.all([parse(resumeUrl), parse(mainUrl)]), {
    onNone: () => false,
    onSome: ([resume, main]) =>
      (resume.protocol === main.protocol || resume.protocol === "wss:") &&
      (resume.protocol === "wss:" || resume.protocol === "ws:") &&
      isWithin(resume.hostname, domainOf(main.hostname))
  })

const parse = (url: string): Option.Option<URL> => (URL.canParse(url) ? Option.some(new URL(url)) : Option.none())

const domainOf = (host: string): string => (isWithin(host, "discord.gg") ? "discord.gg" : canonical(host))

const isWithin = (host: string, domain: string): boolean =>
  canonical(host) === domain || canonical(host).endsWith(`.${domain}`)

const canonical = (host: string): string =>
  /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i.test(host) ? "localhost" : host.toLowerCase()
