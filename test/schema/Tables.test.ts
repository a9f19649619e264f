import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import {
  GatewayCapabilityBits,
  GatewayCloseCodes,
  GatewayDispatchEvents,
  GatewayIntentBits,
  GatewayOpcodes,
  PresenceUpdateStatus
} from "discord-api-types/v10"
import { Capabilities } from "../../src/schema/Capabilities.ts"
import { closeCodes, recoveryOfCloseCode } from "../../src/schema/CloseCode.ts"
import { dispatchNames } from "../../src/schema/DispatchNames.ts"
import { GatewayOpcode } from "../../src/schema/GatewayOpcode.ts"
import { identify } from "../../src/schema/Handshake.ts"
import { intentNames, Intents, privilegedIntents } from "../../src/schema/Intents.ts"
import type { DispatchName } from "../../src/schema/Payload.ts"
import { ShardId } from "../../src/schema/ShardId.ts"

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

describe("the tables are those of the installed discord-api-types", () => {
  /** The numbers of an enum, each once: some have several names. */
  const numbers = (values: Readonly<Record<string, string | number>>) =>
    [...new Set(Object.values(values).filter((value) => typeof value === "number"))].toSorted((a, b) => a - b)
  /** The fields of an interface, as its declaration has them. */
  const fieldsOf = (name: string) => {
    const source = readFileSync(
      new URL("../../node_modules/discord-api-types/gateway/v10.d.ts", import.meta.url),
      "utf8"
    )
    const [, body = ""] = new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, "m").exec(source) ?? []
    return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field = ""]) => field).toSorted()
  }

  it("opcodes, close codes, intents and capabilities: each is known here, and no other", () => {
    assert.deepStrictEqual(numbers(GatewayOpcodes), numbers(GatewayOpcode))
    assert.deepStrictEqual(
      numbers(GatewayCloseCodes),
      closeCodes.map(({ code }): number => code).toSorted((a, b) => a - b)
    )
    assert.deepStrictEqual(numbers(GatewayIntentBits), numbers(Intents))
    assert.deepStrictEqual(numbers(GatewayCapabilityBits), numbers(Capabilities))
  })

  it("names of dispatches", () => {
    const known: ReadonlyArray<string> = Object.values(GatewayDispatchEvents)
    assert.deepStrictEqual([...dispatchNames].toSorted(), known.toSorted())
  })

  it("fields of IDENTIFY: each can be sent", () => {
    const { d } = identify(new ShardId({ id: 0, total: 1 }), {
      token: Redacted.make("x"),
      intents: 1,
      properties: { os: "", browser: "", device: "" },
      presence: { since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false },
      largeThreshold: 50,
      compress: true,
      capabilities: Capabilities.CHANNEL_OBFUSCATION
    })
    assert.deepStrictEqual(Object.keys(d).toSorted(), fieldsOf("GatewayIdentifyData"))
    assert.deepStrictEqual(Object.keys(d.properties).toSorted(), fieldsOf("GatewayIdentifyProperties"))
  })
})
