/** This package's version: sent to Discord as part of the user agent, shown by the command line. */
export const version = "0.1.0"

/**
 * User agent of HTTP requests and of the WebSocket's upgrade, in the form that Discord asks for.
 *
 * Discord, "User Agent": https://discord.com/developers/docs/reference#user-agent
 */
export const userAgent = `DiscordBot (https://www.npmjs.com/package/disruption-gateway, ${version})`
