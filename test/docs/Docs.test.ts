import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { anchors, links, page, pages, root } from "../support/Markdown.ts"

describe("the documentation", () => {
  it("has every page in its index", () => {
    const index = page("docs/README.md")
    for (const { path } of pages) {
      if (path.startsWith("docs/") && path !== "docs/README.md") assert.include(index, `(${path.slice(5)})`)
    }
  })

  it("links to what is there", () => {
    const broken = pages.flatMap((from) =>
      links(from)
        .filter(({ anchor, exists, file }) => !exists || (anchor !== undefined && !anchors(page(file)).has(anchor)))
        .map(({ anchor, file }) => `${from.path}: ${file}${anchor === undefined ? "" : `#${anchor}`}`)
    )
    assert.deepStrictEqual(broken, [])
  })

  it("for coding assistants links only to what the package ships", () => {
    const { files }: { readonly files: ReadonlyArray<string> } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
    const shipped = [...files, "README.md"]
    const assistants = pages.filter(({ path }) => path === "AGENTS.md" || path.startsWith("ai-docs/"))
    assert.isAbove(assistants.length, 3)
    for (const from of assistants) {
      for (const { file } of links(from)) assert.include(shipped, file.split("/")[0], `${from.path} links to ${file}`)
    }
  })

  it("has every entry of the package in its reference", () => {
    const { exports }: { readonly exports: Record<string, { readonly types?: string }> } = JSON.parse(
      readFileSync(`${root}package.json`, "utf8")
    )
    const { entryPoints }: { readonly entryPoints: ReadonlyArray<string> } = JSON.parse(
      readFileSync(`${root}docs/reference/typedoc.json`, "utf8")
    )
    const sources = Object.values(exports).flatMap(({ types }) =>
      types === undefined ? [] : [types.replace("./dist/", "../../src/").replace(".d.ts", ".ts")]
    )
    assert.sameMembers([...entryPoints], sources)
  })

  it("says where it installs the package that it is not published, while it is not", () => {
    const { version }: { readonly version: string } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
    if (!page("CHANGELOG.md").includes(`## ${version} (unreleased)`)) return
    const installing = pages.filter(({ text }) => text.includes("npm install effect@"))
    assert.isAbove(installing.length, 2)
    for (const { path, text } of installing) {
      assert.include(text, "not published yet", path)
      for (const [line] of text.matchAll(/^npm install effect@.*$/gm)) {
        assert.match(line, new RegExp(` discord-api-types \\./disruption-gateway-${version}\\.tgz$`), path)
      }
    }
  })

  it("names npm scripts that there are", () => {
    const { scripts }: { readonly scripts: Record<string, string> } = JSON.parse(
      readFileSync(`${root}package.json`, "utf8")
    )
    const named = pages.flatMap(({ text }) => [...text.matchAll(/npm run (?!-)([\w:]+)/g)].map(([, name = ""]) => name))
    assert.isAbove(named.length, 5)
    assert.deepStrictEqual(
      named.filter((name) => !(name in scripts)),
      []
    )
  })

  it("names every example, in both lists, and a test runs each", () => {
    const examples = readdirSync(`${root}examples`, { withFileTypes: true }).flatMap((entry) => {
      if (entry.isDirectory()) return ["dist", "cluster"].includes(entry.name) ? [] : [`${entry.name}/main.ts`]
      return entry.name.endsWith(".ts") && entry.name !== "run.ts" ? [entry.name] : []
    })
    assert.isAbove(examples.length, 15)
    const listed = (text: string) => examples.filter((name) => !text.includes(`](${name})`))
    assert.deepStrictEqual(listed(page("README.md").replaceAll("](examples/", "](")), [])
    assert.deepStrictEqual(listed(page("examples/README.md")), [])
    const tests = ["examples/Examples.test.ts", "docs/Deploys.test.ts"]
      .map((test) => readFileSync(`${root}test/system/${test}`, "utf8"))
      .join("\n")
    const programs = examples.filter((name) => !name.endsWith(".test.ts")).map((name) => name.replace(/\.ts$/, ""))
    assert.deepStrictEqual(
      programs.filter((name) => !tests.includes(`"${name}"`) && !tests.includes(`/${name}.js`)),
      []
    )
  })
})

describe("the README's tables", () => {
  const readme = page("README.md")
  const section = (title: string) => readme.split(`## ${title}\n`)[1]?.split("\n## ")[0] ?? ""
  /** The words in backticks of a column. */
  const column = (text: string, n: number) =>
    text
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) => [...(line.split(" | ")[n] ?? "").matchAll(/`([\w"]+)`/g)].map(([, word = ""]) => word))
  const source = readFileSync(`${root}src/services/GatewayConfig.ts`, "utf8")

  it("have every option, and no other", () => {
    const body = /export interface GatewayOptions \{\n([\s\S]*?)\n\}/.exec(source)?.[1] ?? ""
    const options = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name = ""]) => name)
    const rows = section("Configuration")
      .split("\n")
      .flatMap((line) => /^\| ((?:`\w+`(?:, )?)+)/.exec(line)?.slice(1, 2) ?? [])
      .flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name))
    assert.isAbove(options.length, 15)
    assert.deepStrictEqual(rows.toSorted(), options.toSorted())
  })

  it("have every variable of the environment, and no other", () => {
    const read = new Set([...source.matchAll(/"(DISCORD_\w+)"/g)].map(([, name = ""]) => name))
    const documented = new Set(column(section("Configuration"), 1).filter((name) => name.startsWith("DISCORD_")))
    assert.deepStrictEqual([...documented].toSorted(), [...read].toSorted())
  })
})

describe("the Grafana dashboard", () => {
  interface Panel {
    readonly id: number
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets: ReadonlyArray<{ readonly expr: string }>
  }
  const {
    panels,
    templating
  }: { panels: ReadonlyArray<Panel>; templating: { list: ReadonlyArray<{ name: string }> } } = JSON.parse(
    readFileSync(`${root}docs/grafana-dashboard.json`, "utf8")
  )

  it("asks for series that there are", () => {
    const documented = new Set(
      [...page("docs/metrics.md").matchAll(/^\| `(discord_gateway_\w+)`/gm)].map(([, name = ""]) => name)
    )
    const asked = panels.flatMap(({ targets }) =>
      targets.flatMap(({ expr }) =>
        [...expr.matchAll(/discord_gateway_\w+/g)].map(([name]) => name.replace(/_bucket$/, ""))
      )
    )
    assert.isAbove(asked.length, 20)
    assert.deepStrictEqual(
      asked.filter((name) => !documented.has(name)),
      []
    )
  })

  it("has panels that do not lie upon each other, and a data source to choose", () => {
    assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
    const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`)
    )
    assert.strictEqual(new Set(cells).size, cells.length)
    assert.isTrue(panels.every(({ gridPos: { w, x } }) => x + w <= 24))
    assert.deepStrictEqual(
      templating.list.map(({ name }) => name),
      ["datasource"]
    )
  })
})
