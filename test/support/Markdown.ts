/**
 * The project's Markdown files, as the tests of the documentation read them.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))

const folders = ["", "docs/", "ai-docs/", "examples/"]

/** A file, by its path from the root. */
export interface Page {
  readonly path: string
  readonly text: string
}

export const pages: ReadonlyArray<Page> = folders.flatMap((folder) =>
  readdirSync(root + folder)
    .filter((name) => name.endsWith(".md"))
    .map((name) => ({ path: folder + name, text: readFileSync(root + folder + name, "utf8") }))
)

export const page = (path: string): string => pages.find((page) => page.path === path)?.text ?? ""

/** A fenced block of code. What a comment `<!-- given … -->` right before it has is code that the reader need not see. */
export interface Block {
  readonly page: string
  readonly line: number
  readonly language: string
  readonly given: string
  readonly code: string
}

export const blocks: ReadonlyArray<Block> = pages.flatMap(({ path, text }) =>
  [...text.matchAll(/(?:<!-- given\n([\s\S]*?)-->\s*\n)?^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({
    page: path,
    line: text.slice(0, match.index).split("\n").length,
    language: match[2] ?? "",
    given: match[1] ?? "",
    code: match[3] ?? ""
  }))
)

/** The anchors of a page's headings, as GitHub makes them. */
export const anchors = (text: string): ReadonlySet<string> =>
  new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    )
  )

/** The links of a page that lead to another file of the project, or to a heading. */
export const links = ({ path, text }: Page) =>
  [...text.replace(/```[\s\S]*?```/g, "").matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(
    ([, target = "", anchor]) => {
      const file = target === "" ? path : new URL(target, `file:///${path}`).pathname.slice(1)
      return { file, anchor, exists: existsSync(root + file) }
    }
  )
