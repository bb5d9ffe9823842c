/** docs/metrics.md, made from what the code declares. Pure. */
import type { Figure } from './declared.ts'

const LABELS: Record<string, string> = {
  service: 'which service tells it; every figure has it',
  event: 'a step of a message’s life, by the name that it has in the log',
  reason:
    'why: of rejections the kind of refusal (`relay`, `unknown-recipient`, `size`, `auth` …); of outcomes the subject of the enhanced status code (RFC 3463 §3): `address`, `mailbox`, `system`, `network`, `protocol`, `content`, `policy`, `other`; of events that are outcomes the stage',
  listener: 'a listener, by its name in the config',
  site_class:
    'the class of a site: the name of a route with hosts of its own; of sites behind MX routes the name in `metrics.sites` whose patterns fit, else `other`',
  site: 'a site, by the short name that `sluice queue --by site` shows; twenty at most',
  outcome: '`delivered`, `deferred`, `bounced`, `expired`',
  kind: 'of attempts `first` or `retry`; of repairs what was repaired',
  state: 'one of the states that the meaning names',
  stage:
    'how far a conversation came: `route`, `resolve`, `connect`, `greeting`, `ehlo`, `tls`, `auth`, `mail`, `rcpt`, `data`, `content`, `dot`, `crash`',
  part: '`connect`, `envelope`, `content`',
  result: 'one of those that the meaning names; at the mailbox `delivered`, `deferred`, `refused`',
  action: 'what a reply rule does: `pause`, `connections`, `rate`, `retry`, `permanent`, `temporary`',
  store: 'a content store: `redis`, `file`, `s3`',
  operation: '`written`, `read`',
}

/** Labels of the process's own figures are Node.js's to explain. */
const unexplained = (figures: Figure[]): string[] =>
  figures.filter(({ ofProcess }) => !ofProcess).flatMap(({ labels }) => labels.filter((label) => LABELS[label] === undefined))

const row = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
const code = (text: string): string => `\`${text}\``

const table = (head: string[], rows: string[][]): string[] => [row(head), row(head.map(() => '---')), ...rows.map(row)]

const rowsOf = (figures: Figure[]): string[][] =>
  figures.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(', '), help])

const HEAD = ['figure', 'type', 'labels', 'meaning']

type Section = { title: string; words: string; has: (figure: Figure) => boolean }

const only =
  (service: string) =>
  ({ services, ofProcess }: Figure): boolean =>
    !ofProcess && services.length === 1 && services[0] === service

const SECTIONS: Section[] = [
  {
    title: 'Mail comes in: ingress',
    words: 'Rejections are `sluice_events_total{event="rejection"}`, by reason.',
    has: only('ingress'),
  },
  {
    title: 'The spool: spooler',
    words:
      'What the spool holds is gathered when somebody scrapes it: counts only, in a small share of the time, and at most every five seconds, so a spool of a million tasks is no slower for it. Every spooler tells the whole: take the `max`, not the `sum`.',
    has: only('spooler'),
  },
  {
    title: 'Mail goes out: delivery-agent',
    words: 'Notices are `sluice_events_total{event="notice"}`; they are delivered as any other mail.',
    has: only('delivery-agent'),
  },
  { title: 'Local mail: mailbox', words: 'Its far ends are our own delivery-agents.', has: only('mailbox') },
]

const INTRODUCTION = `# Figures

Made from the code by \`npm run docs\`; do not edit. Every service answers on its health port with these figures at \`/metrics\`, for
Prometheus. Units stand in the names: seconds, bytes; \`_total\` counts since the start of the process. A histogram has \`_bucket\`,
\`_sum\` and \`_count\` behind its name. No label holds an address or a destination, and each has few values, however much mail flows.
The chart's dashboards and alerts are built on them; [the runbooks](runbooks/README.md) say what to do about each alert.

Some questions, and who answers them:

- How much mail goes out? \`sum by (outcome) (rate(sluice_outcomes_total[5m]))\`
- Which provider defers, and why? \`sum by (site_class, reason) (rate(sluice_outcomes_total{outcome="deferred"}[5m]))\`
- How long does mail take? \`histogram_quantile(0.95, sum by (le) (rate(sluice_delivery_age_seconds_bucket[5m])))\`
- What waits? \`max by (state, site_class) (sluice_tasks)\`
- What do clients do wrong? \`sum by (reason) (rate(sluice_events_total{event="rejection"}[5m]))\`
- Which sites are left alone? \`max by (site) (sluice_site_backed_off_seconds)\`
- Does a 250 take long? \`histogram_quantile(0.99, sum by (le) (rate(sluice_ingress_accept_seconds_bucket[5m])))\``

/** @throws when a label has no explanation */
export const renderPage = (figures: Figure[]): string => {
  const [label] = unexplained(figures)
  if (label !== undefined) throw new Error(`the label ${label} has no explanation in e2e/metrics-page/page.ts`)
  const used = new Set(['service', ...figures.flatMap(({ labels }) => labels)])
  const explained = Object.entries(LABELS).filter(([name]) => used.has(name))
  const shared = figures.filter(({ services, ofProcess }) => !ofProcess && services.length > 1)
  const own = SECTIONS.flatMap(({ title, words, has }) => [
    `## ${title}`,
    '',
    words,
    '',
    ...table(HEAD, rowsOf(figures.filter(has))),
    '',
  ])
  return [
    INTRODUCTION,
    '',
    '## Labels',
    '',
    ...table(
      ['label', 'meaning'],
      explained.map(([name, meaning]) => [code(name), meaning]),
    ),
    '',
    ...own,
    '## Several services',
    '',
    ...table(
      [...HEAD, 'services'],
      shared.map((figure) => [...(rowsOf([figure])[0] ?? []), figure.services.join(', ')]),
    ),
    '',
    '## Each process',
    '',
    'What Node.js tells of every service: its CPU, memory, event loop and garbage collection.',
    '',
    ...table(HEAD, rowsOf(figures.filter(({ ofProcess }) => ofProcess))),
    '',
  ].join('\n')
}
