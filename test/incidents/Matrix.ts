/**
 * The matrix of docs/incidents.md: a row for each incident, a column for each client, and the reasons below it.
 */
import type { Client } from "./Client.ts"
import type { Incident, Theme } from "./Incident.ts"
import type { Outcome } from "./Run.ts"

/** What came of each client and incident. */
export class Results {
  private readonly outcomes = new Map<string, Outcome>()

  set(client: Client, incident: Incident, outcome: Outcome): void {
    this.outcomes.set(`${client.name} ${incident.id}`, outcome)
  }

  get(client: Client, incident: Incident): Outcome | undefined {
    return this.outcomes.get(`${client.name} ${incident.id}`)
  }
}

const sign = (outcome: Outcome | undefined): string => {
  switch (outcome?._tag) {
    case "Held":
      return "✓"
    case "Failed":
      return "**✗**"
    default:
      return ""
  }
}

const linkOf = (source: string): string => {
  const [, repository = "", number = ""] = /^([\w.-]+\/[\w.-]+)#(\d+)$/.exec(source) ?? []
  return repository === "" ? source : `[${source}](https://github.com/${repository}/issues/${number})`
}

const row = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")

/** Held, of those put to a client. */
export const totals = (
  clients: ReadonlyArray<Client>,
  incidents: ReadonlyArray<Incident>,
  results: Results
): ReadonlyArray<{ readonly client: Client; readonly held: number; readonly of: number }> =>
  clients.map((client) => {
    const outcomes = incidents.flatMap((incident) => {
      const outcome = results.get(client, incident)
      return outcome === undefined || outcome._tag === "Blank" ? [] : [outcome]
    })
    return { client, held: outcomes.filter(({ _tag }) => _tag === "Held").length, of: outcomes.length }
  })

/** The matrix, as Markdown. */
export const matrix = (clients: ReadonlyArray<Client>, themes: ReadonlyArray<Theme>, results: Results): string => {
  const incidents = themes.flatMap(({ incidents }) => incidents)
  const rule = row(["---", ...clients.map(() => ":-:")])
  const summary = [
    row(["client", "version", "held", "of"]),
    row(["---", "---", "--:", "--:"]),
    ...totals(clients, incidents, results).map(({ client, held, of }) =>
      row([client.name, client.version, String(held), String(of)])
    )
  ]
  const sections = themes.flatMap(({ incidents, title }) => [
    "",
    `## ${title}`,
    "",
    row(["incident", ...clients.map(({ name }) => name)]),
    rule,
    ...incidents.map((incident) =>
      row([`[${incident.id}](#${incident.id})`, ...clients.map((client) => sign(results.get(client, incident)))])
    ),
    ...incidents.flatMap((incident) => [
      "",
      `### ${incident.id}`,
      "",
      `${incident.discord} ${incident.client}`,
      "",
      `Seen in ${incident.sources.map(linkOf).join(", ")}.`,
      ...reasonsOf(clients, incident, results)
    ])
  ])
  return [...summary, ...sections].join("\n")
}

const reasonsOf = (clients: ReadonlyArray<Client>, incident: Incident, results: Results): ReadonlyArray<string> => {
  const failures = clients.flatMap((client) => {
    const outcome = results.get(client, incident)
    return outcome?._tag === "Failed" ? [`- ${client.name}: ${escaped(outcome.reason.replace(/\.$/, ""))}.`] : []
  })
  return failures.length === 0 ? [] : ["", ...failures]
}
