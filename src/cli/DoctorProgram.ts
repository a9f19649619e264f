/**
 * Program of `disruption-gateway doctor`: prints a line for each check, and fails where something has to be mended.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ShardSelection } from "../schema/ShardSelection.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import { diagnose, ofFailure } from "./Diagnosis.ts"
import type { Finding } from "./Finding.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"
import { paper, type Part, render } from "./TerminalLine.ts"

/** Values of the flags. */
export interface DoctorOptions {
  readonly intents: Option.Option<number>
  readonly shards: Option.Option<ShardSelection>
  readonly apiUrl: Option.Option<string>
}

/** Something has to be mended. */
export class ChecksFailed extends Schema.TaggedError<ChecksFailed>("disruption-gateway/ChecksFailed")("ChecksFailed", {
  failed: Schema.Int
}) {
  override get message() {
    return `${this.failed} ${this.failed === 1 ? "check says" : "checks say"} that the bot would not run`
  }
}

const marks: Record<Finding["level"], Part> = {
  fine: { text: "✓ ", style: "green" },
  advice: { text: "▲ ", style: "yellow" },
  wrong: { text: "✗ ", style: "red" }
}

/** Examines the configuration of the environment and the flags. */
export const examine = Effect.fn(
  function* ({ apiUrl, intents, shards }: DoctorOptions) {
    const config = GatewayConfig.layerEnvWith({
      intents: Option.getOrUndefined(intents),
      shards: Option.getOrUndefined(shards),
      apiUrl: Option.getOrUndefined(apiUrl)
    })
    const findings = yield* diagnose.pipe(
      Effect.provide(
        GatewayDirectory.layer.pipe(Layer.provideMerge(Layer.merge(config, NodeHttpClient.layerNodeHttp)))
      ),
      Effect.catch((error) => Effect.succeed([ofFailure(error)]))
    )
    const { colours } = yield* paper
    for (const { check, level, text } of findings) {
      const parts: ReadonlyArray<Part> = [marks[level], { text: `${check}: `, style: "bold" }, { text }]
      yield* StandardOutput.writeLine(render(parts, { colours, columns: Infinity }))
    }
    const failed = findings.filter(({ level }) => level === "wrong").length
    if (failed > 0) return yield* new ChecksFailed({ failed })
  },
  Effect.mapError((error) => StandardError.failure(error))
)
