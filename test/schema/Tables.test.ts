import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { GatewayDispatchEvents } from "discord-api-types/v10"
import { closeCodes, recoveryOfCloseCode } from "../../src/schema/CloseCode.ts"
import { GatewayOpcode } from "../../src/schema/GatewayOpcode.ts"
import { intentNames, Intents, privilegedIntents } from "../../src/schema/Intents.ts"
import type { DispatchName } from "../../src/schema/Payload.ts"

const table = (name: string) => JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"))

describe("the tables are Discord's", () => {
  it("opcodes", () => {
    const rows: ReadonlyArray<{ op: number; name: string }> = table("opcodes")
    assert.deepStrictEqual(
      Object.entries(GatewayOpcode).map(([name, op]) => [op, name]),
      rows.map(({ name, op }) => [
        op,
        name
          .split(" ")
          .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
          .join("")
      ])
    )
  })

  it("close codes", () => {
    const rows: ReadonlyArray<{ code: number; name: string; reconnect: boolean }> = table("close-codes")
    assert.deepStrictEqual(
      closeCodes.map(({ code, name, recovery }) => ({ code, name, reconnect: recovery !== "fatal" })),
      rows.map(({ code, name, reconnect }) => ({ code, name, reconnect }))
    )
    assert.deepStrictEqual([4003, 4007, 4009].map(recoveryOfCloseCode), ["identify", "identify", "identify"])
    assert.deepStrictEqual([1000, 1001, 1006, 3050, 4998].map(recoveryOfCloseCode), Array(5).fill("resume"))
  })

  it("intents", () => {
    const rows: ReadonlyArray<{ name: string; bit: number; privileged: boolean }> = table("intents")
    assert.deepStrictEqual(
      intentNames.map((name) => [name, Intents[name], privilegedIntents.includes(name)]),
      rows.map(({ bit, name, privileged }) => [name, 2 ** bit, privileged])
    )
  })

  it("dispatch events have types, as far as discord-api-types knows them", () => {
    const rows: ReadonlyArray<string> = table("dispatch-events")
    const known: ReadonlyArray<DispatchName> = Object.values(GatewayDispatchEvents).map((name): DispatchName => name)
    assert.deepStrictEqual(
      rows.filter((name) => !known.some((other) => other === name)),
      []
    )
  })
})
