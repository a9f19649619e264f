import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { DiscordSimulator } from "disruption-gateway/testing"
import { intentNames, Intents } from "../../../src/schema/Intents.ts"
import { connected } from "../../support/RawClient.ts"
import { root } from "../../support/Markdown.ts"

/** The types of discord-api-types as JSON writes them: members of enums are their values, and everything may be read only. */
const wire = `
import type * as Api from "discord-api-types/v10"
type NumberOf<T extends number> = \`\${T}\` extends \`\${infer N extends number}\` ? N : number
/** Fields with combinations of flags, of which the enums name the single ones only. */
type FlagFields = "flags" | "public_flags" | "system_channel_flags"
export type Wire<T> = T extends string ? \`\${T}\`
  : T extends number ? NumberOf<T>
  : T extends object ? { readonly [K in keyof T]: K extends FlagFields ? number | Exclude<T[K], number> : Wire<T[K]> }
  : T
type Of<P, Name extends string> = P extends { t: infer T extends string; d: infer D } ? Name extends \`\${T}\` ? D : never : never
export type Data<Name extends string> = Wire<Of<Api.GatewayDispatchPayload, Name>>
export type User = Wire<Api.APIUser>
export type Application = Wire<Pick<Api.APIApplication, keyof Api.APIApplication>>
`

interface Sample {
  readonly type: string
  readonly value: unknown
}

const allIntents = intentNames.reduce((bits, name) => bits | Intents[name], 0)

/** The first dispatches of every name that the simulator makes, and the answers of its REST API. */
const samples = Effect.gen(function* () {
  const client = yield* connected({ intents: allIntents })
  const guild_id = (client.event("READY")["guilds"] as ReadonlyArray<{ id: string }>)[0]?.id ?? ""
  const channel_id = (client.event("GUILD_CREATE")["channels"] as ReadonlyArray<{ id: string }>)[1]?.id ?? ""
  client.send(4, { guild_id, channel_id, self_mute: false, self_deaf: false })
  client.send(8, { guild_id, query: "", limit: 0, presences: true, nonce: "all" })
  client.send(8, { guild_id, query: "", limit: 0, nonce: "again" })
  client.send(8, { guild_id, user_ids: ["1"] })
  client.send(31, { guild_ids: [guild_id] })
  client.send(43, { guild_id, fields: ["status", "voice_start_time"] })
  yield* Effect.forkChild(DiscordSimulator.traffic({ perSecond: 200, guilds: 3 }))
  yield* TestClock.adjust("10 seconds")
  const byName = new Map<string, Array<unknown>>()
  for (const { d, t } of client.received) {
    if (t !== null) byName.set(t, [...(byName.get(t) ?? []), d].slice(0, 5))
  }
  const rest = []
  for (const [type, path] of [
    ["User", "users/@me"],
    ["Application", "applications/@me"]
  ] as const) {
    const headers = { authorization: "Bot simulated-token" }
    const asking = yield* Effect.forkChild(HttpClient.get(`https://discord.com/api/v10/${path}`, { headers }))
    yield* TestClock.adjust("1 second")
    const response = yield* Fiber.join(asking)
    rest.push({ type, value: yield* response.json })
  }
  const dispatches = [...byName].flatMap(([name, all]) => all.map((value) => ({ type: `Data<"${name}">`, value })))
  return { names: [...byName.keys()], samples: [...dispatches, ...rest] as ReadonlyArray<Sample> }
}).pipe(Random.withSeed("types"), Effect.provide(DiscordSimulator.layerWith({ guilds: 3 })))

/** The errors of the compiler if values are what their types say. */
const errorsOf = (values: ReadonlyArray<Sample>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const parent = `${root}node_modules/.cache/`
      mkdirSync(parent, { recursive: true })
      return mkdtempSync(`${parent}dispatch-types-`)
    }),
    (folder) =>
      Effect.callback<ReadonlyArray<string>>((resume) => {
        writeFileSync(`${folder}/wire.ts`, wire)
        const lines = values.map(({ type, value }, index) =>
          // Without a name of its own a value would also be asked for fields that the types do not have.
          [`const v${index} = ${JSON.stringify(value)} as const`, `export const t${index}: ${type} = v${index}`].join(
            "\n"
          )
        )
        writeFileSync(
          `${folder}/samples.ts`,
          `import type { Application, Data, User } from "./wire.ts"\nexport type All = Application | Data<"READY"> | User\n${lines.join("\n")}\n`
        )
        writeFileSync(
          `${folder}/tsconfig.json`,
          JSON.stringify({
            compilerOptions: {
              strict: true,
              noEmit: true,
              module: "nodenext",
              allowImportingTsExtensions: true,
              skipLibCheck: true,
              types: []
            },
            files: ["samples.ts"]
          })
        )
        execFile(
          process.execPath,
          [`${root}node_modules/typescript/bin/tsc`, "--project", folder, "--pretty", "false"],
          (_, stdout) => resume(Effect.succeed(stdout.split(/\n(?=\S)/).flatMap(summary)))
        )
      }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

/** The type that a value has to have, and the innermost of the compiler's reasons against it. */
const summary = (error: string): ReadonlyArray<string> => {
  const reasons = error.trim().split("\n")
  return error.includes("error TS") ? [`${reasons[0]?.slice(0, 80)} … ${reasons.at(-1)?.trim()}`] : []
}

/** The value without a field, or without one of the first element of a list in it. */
const without = (value: unknown, field: string, within?: string): unknown => {
  const { ...copy } = value as Record<string, unknown>
  if (within === undefined) delete copy[field]
  else copy[within] = [without((copy[within] as ReadonlyArray<unknown>)[0], field)]
  return copy
}

describe("what the simulator dispatches and answers", () => {
  it.effect("is of the types of discord-api-types, which finds every field that is missing", () =>
    Effect.gen(function* () {
      const made = yield* samples
      assert.includeMembers(made.names, [
        "READY",
        "GUILD_CREATE",
        "GUILD_DELETE",
        "GUILD_MEMBERS_CHUNK",
        "GUILD_MEMBER_UPDATE",
        "RATE_LIMITED",
        "SOUNDBOARD_SOUNDS",
        "CHANNEL_INFO",
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_DELETE",
        "MESSAGE_REACTION_ADD",
        "MESSAGE_REACTION_REMOVE",
        "TYPING_START",
        "PRESENCE_UPDATE",
        "VOICE_STATE_UPDATE",
        "VOICE_SERVER_UPDATE"
      ])
      assert.deepStrictEqual(yield* errorsOf(made.samples), [])

      const first = (name: string) => made.samples.find(({ type }) => type === `Data<"${name}">`)?.value
      const broken: ReadonlyArray<readonly [name: string, field: string, within?: string]> = [
        ["READY", "session_id"],
        ["READY", "id", "guilds"],
        ["GUILD_CREATE", "roles"],
        ["GUILD_CREATE", "permissions", "roles"],
        ["GUILD_CREATE", "user", "members"],
        ["MESSAGE_CREATE", "author"],
        ["VOICE_STATE_UPDATE", "session_id"],
        ["GUILD_MEMBERS_CHUNK", "chunk_count"]
      ]
      const errors = yield* errorsOf(
        broken.map(([name, field, within]) => ({
          type: `Data<"${name}">`,
          value: without(first(name), field, within)
        }))
      )
      assert.lengthOf(errors, broken.length)
    })
  )
})
