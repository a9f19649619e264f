/**
 * A process of its own: what it says is waited for, and a signal is sent when it has said enough.
 *
 * Nothing of our environment reaches it, but for the path and what is given. A failure says what it had printed.
 */
import { spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import { patience } from "./Patience.ts"

export type Environment = Record<string, string>

/** How a process ended. */
export interface Ending {
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly env?: Environment | undefined
  readonly cwd?: string | undefined
  /** Whether its standard output is left in the pipe, until `read`. */
  readonly unread?: boolean | undefined
  /** Whether it has a standard input, to be written by `type`. */
  readonly input?: boolean | undefined
}

/** Starts a process; it, and what it has started, is killed with the scope if it is still there. */
export const start = (command: string, args: ReadonlyArray<string>, options: Options = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Process(command, args, options)),
      (process) => process.kill
    ),
    (process) => process
  )

/** Runs a process to its end. */
export const finish = (command: string, args: ReadonlyArray<string>, options?: Options) =>
  Effect.scoped(Effect.flatMap(start(command, args, options), ({ ending }) => ending))

export class Process {
  private readonly child
  private readonly listeners = new Set<() => void>()
  private readonly closed: Promise<void>
  private ended: { readonly code: number | null } | undefined
  stdout = ""
  stderr = ""

  constructor(command: string, args: ReadonlyArray<string>, options: Options) {
    this.child = spawn(command, args, {
      cwd: options.cwd,
      env: { PATH: process.env["PATH"], TZ: "UTC", ...options.env },
      stdio: [options.input === true ? "pipe" : "ignore", "pipe", "pipe"],
      // A group of its own, so that a shell's children end with it.
      detached: true
    })
    const { stderr, stdout } = this.child
    stdout?.setEncoding("utf8")
    stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text
      this.tell()
    })
    this.child.stdin?.on("error", () => undefined)
    this.closed = new Promise((resolve) => {
      this.child.once("error", (error) => {
        this.stderr += String(error)
        this.ended = { code: null }
        this.tell()
        resolve()
      })
      this.child.once("close", (code) => {
        this.ended ??= { code }
        this.tell()
        resolve()
      })
    })
    if (options.unread !== true) this.read()
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get hasEnded(): boolean {
    return this.ended !== undefined
  }

  /** Everything that it has printed so far. */
  get output(): string {
    return this.stdout + this.stderr
  }

  /** Description of the process in a failure. */
  get description(): string {
    const state = this.ended === undefined ? "runs" : `ended with ${this.ended.code}`
    const clip = (text: string) => (text.length > 4000 ? `${text.slice(0, 1000)}\n…\n${text.slice(-3000)}` : text)
    return `${this.child.spawnargs.join(" ")} ${state}\nstdout: ${clip(this.stdout)}\nstderr: ${clip(this.stderr)}`
  }

  /** Reads its standard output from now on. */
  read(): void {
    this.child.stdout?.on("data", (text: string) => {
      this.stdout += text
      this.tell()
    })
  }

  /** Waits until what it has printed is as it should be. */
  readonly until = (isSo: (process: Process) => boolean, what: string): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      const look = () => {
        if (isSo(this)) resume(Effect.void)
        else if (this.ended !== undefined) resume(Effect.die(new Error(`It did not ${what}. ${this.description}`)))
      }
      this.listeners.add(look)
      look()
      return Effect.sync(() => void this.listeners.delete(look))
    }).pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.die(new Error(`It did not ${what}. ${this.description}`))
      })
    )

  /** Waits until it has printed this, on standard output or standard error. */
  readonly says = (text: string | RegExp): Effect.Effect<RegExpExecArray> => {
    const pattern = typeof text === "string" ? new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")) : text
    const match = () => pattern.exec(this.output)
    return Effect.andThen(
      this.until(() => match() !== null, `say ${String(text)}`),
      Effect.suspend(() => {
        const found = match()
        return found === null ? Effect.die(new Error("it was there")) : Effect.succeed(found)
      })
    )
  }

  /** Sends a signal to it. */
  readonly signal = (signal: NodeJS.Signals): Effect.Effect<void> => Effect.sync(() => void this.child.kill(signal))

  /** Writes to its standard input. */
  readonly type = (text: string): Effect.Effect<void> => Effect.sync(() => void this.child.stdin?.write(text))

  /** Waits until it has ended. */
  get ending(): Effect.Effect<Ending> {
    return Effect.promise(() => this.closed).pipe(
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.die(new Error(`It did not end. ${this.description}`))
      }),
      Effect.map(() => ({ code: this.ended?.code ?? null, stdout: this.stdout, stderr: this.stderr }))
    )
  }

  /** Ends it by a signal, and waits until it is gone. */
  readonly end = (signal: NodeJS.Signals): Effect.Effect<Ending> => Effect.andThen(this.signal(signal), this.ending)

  /** Kills it, and what it has started. */
  get kill(): Effect.Effect<void> {
    return Effect.sync(() => {
      try {
        process.kill(-this.pid, "SIGKILL")
      } catch {
        // It is gone already.
      }
    })
  }

  private tell(): void {
    for (const listener of this.listeners) listener()
  }
}
