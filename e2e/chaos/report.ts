/** What a run says in the end: tables as Markdown, for the terminal and for docs/reliability.md. */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Done } from './faults.ts'
import type { Verdict } from './judge.ts'
import { describeShape, type Options } from './options.ts'
import type { Settled } from './settle.ts'

export type Outcome = {
  options: Options
  done: readonly Done[]
  verdict: Verdict
  settled: Settled
  /** ms from the first mail to the last fault. */
  faultsTookMs: number
  /** Processes that ended though nobody asked them to. */
  ownEnds: string[]
}

const DOC = join(import.meta.dirname, '..', '..', 'docs', 'reliability.md')
const COLUMNS = ['ingress', 'spooler', 'delivery-agent', 'mailbox', 'redis', 'far-ends'] as const
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] => [
  row(head),
  row(head.map((_, i) => (i === 0 ? '---' : '---:'))),
  ...rows.map(row),
]

const nameOf = ({ fault }: Done): string => {
  switch (fault.kind) {
    case 'kill':
      return 'kill −9, started again'
    case 'freeze':
      return fault.ms > 15_000 ? 'frozen for longer than a lock (16–19 s)' : 'frozen for a moment (to 3 s)'
    case 'cut-redis':
      return `cut off from Redis (${fault.mode})`
    case 'cut-far':
      return `cut off from a far end (${fault.mode})`
    case 'disk-full':
      return 'disk full, freed'
    case 'far-fails':
      return `far end ${fault.how} at ${fault.stage}`
  }
}

const faultRows = (done: readonly Done[]): (string | number)[][] => {
  const names = [...new Set(done.map(nameOf))].sort()
  const count = (name: string, column: string): number =>
    done.filter(
      (each) => nameOf(each) === name && each.target.replace(/-\d$/, '') === column && !each.note.startsWith('left out'),
    ).length
  return names.map((name) => [name, ...COLUMNS.map((column) => count(name, column) || '')])
}

const sumOf = (counts: Map<string, number>): number => [...counts.values()].reduce((sum, count) => sum + count, 0)
const causesOf = (counts: Map<string, number>): string =>
  counts.size === 0 ? '' : ` (${[...counts].map(([cause, count]) => `${cause}: ${count}`).join(', ')})`

const accountRows = ({ verdict, settled, faultsTookMs, ownEnds }: Outcome): (string | number)[][] => {
  return [
    ['messages that got a 250', verdict.accepted],
    ['refused', verdict.refused],
    ['dot sent, no reply came', verdict.unknown],
    ['stored all the same, of the last two, and accounted for', verdict.stored],
    ['recipients of what got a 250', verdict.recipients],
    ['… delivered', verdict.delivered],
    ['… bounced, and the notice arrived', verdict.bounced],
    ['… of these, because the retries of the run (minutes, not hours) were used up', verdict.late],
    ['… bounced, nobody to tell (null reverse-path)', verdict.untold],
    ['… still in the spool, and `why` says so', verdict.queued],
    ['notices', verdict.notices],
    ['set aside (poison, outcome unknown), tried again by the verb', settled.parked.length],
    [`in transmission at a fault${causesOf(verdict.inTransmission)}`, sumOf(verdict.inTransmission)],
    [`of these, doubled${causesOf(verdict.doubled)}`, sumOf(verdict.doubled)],
    ['**doubled without such a fault**', `**${verdict.unexplained.length}**`],
    ['**lost**', `**${verdict.lost.length}**`],
    ['**broken, misdirected, or delivered after a refusal**', `**${verdict.wrong.length}**`],
    ['ended without being asked to (not Redis on its full disk)', ownEnds.length],
    ['faults for, then settled after', `${seconds(faultsTookMs)}, ${seconds(settled.tookMs)}`],
  ]
}

const commandOf = ({ options }: Outcome): string => {
  const { seed, size } = options
  return `npm run chaos -- ${size === 'long' ? '--long ' : ''}--seed ${seed}`
}

export const report = (outcome: Outcome): string => {
  const { done, options } = outcome
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node.js ${process.versions.node}`
  const kills = done.filter(({ fault }) => fault.kind === 'kill').length
  return [
    `\`${commandOf(outcome)}\` (${describeShape(options.shape)}), ${new Date().toISOString().slice(0, 10)}, ${machine}: ${done.length} faults, ${kills} of them kills.`,
    '',
    ...table(['fault', ...COLUMNS], faultRows(done)),
    '',
    ...table(['account', ''], accountRows(outcome)),
  ].join('\n')
}

/** Puts it in its place in docs/reliability.md. @throws when the page has no such place */
export const writeReport = async (text: string, size: Options['size']): Promise<void> => {
  const [begin, end] = [`<!-- chaos ${size}: written by the program -->`, `<!-- end of chaos ${size} -->`]
  const page = await readFile(DOC, 'utf8')
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`${DOC} has no place for the run ${size}`)
  await writeFile(DOC, `${page.slice(0, from)}${begin}\n\n${text}\n\n${page.slice(to)}`)
}
