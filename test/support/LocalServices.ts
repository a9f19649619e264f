/**
 * Which services run on this machine. Tests that need one are skipped without it, and say so; with REQUIRE_SERVICES set
 * (as CI does) a service that is missing fails them.
 */
import { connect } from "node:net"

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: 1000 })
    const finish = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once("connect", () => finish(true))
    socket.once("error", () => finish(false))
    socket.once("timeout", () => finish(false))
  })

const available = async (name: string, port: number) => {
  if (process.env.REQUIRE_SERVICES !== undefined || (await answers(port))) return true
  process.stderr.write(`skipped: the tests that need ${name}, which does not answer at 127.0.0.1:${port}\n`)
  return false
}

export const hasRedis = await available("Redis", 6379)
export const hasPostgres = await available("PostgreSQL", 5432)
export const hasNats = await available("NATS", 4222)
