// Where the bot writes what it sees: a service that a test replaces by one in memory.
import { Console, Context, type Effect, Layer } from "effect"

export class Journal extends Context.Service<Journal, { readonly write: (line: string) => Effect.Effect<void> }>()(
  "larger-app/Journal"
) {
  static readonly layerConsole = Layer.succeed(Journal, { write: Console.log })
}
