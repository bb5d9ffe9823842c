/**
 * Puts measured rows into docs/performance.md, between the markers of their table. Rows are known by their first two cells: those
 * measured now replace the older ones, the others stay with the date at which they were measured.
 */
import { execFileSync } from 'node:child_process'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'

const FILE = join(import.meta.dirname, '..', '..', 'docs', 'performance.md')

export type Table = { head: string[]; rows: string[][] }

const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '/')).join(' | ')} |`

/** Markdown, which reads as well in a terminal. */
export const markdown = ({ head, rows }: Table): string => [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')

const cellsOf = (text: string): string[] =>
  text
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim())
const keyOf = (cells: readonly string[]): string => cells.slice(0, 2).join('|')

/** Rows as they stood, by their key, without head and rule; none when the head has changed since. */
const rowsWithin = (block: string, head: readonly string[]): string[][] => {
  const [first, , ...rest] = block.split('\n').filter((each) => each.startsWith('|'))
  return first === line(head) ? rest.map(cellsOf) : []
}

/** In the order of `order` (first cells); what it does not name comes last. */
const sorted = (rows: string[][], order: readonly string[]): string[][] => {
  const place = (cells: readonly string[]): number => (order.indexOf(cells[0] ?? '') + order.length + 1) % (order.length + 1)
  return rows.toSorted((a, b) => place(a) - place(b))
}

const model = (): string => cpus()[0]?.model.trim() || 'CPU of an unknown kind'

/** Where and when a row was measured. The load before tells whether the machine was quiet. */
export const measuredOn = (loadBefore: number): string =>
  `${new Date().toISOString().slice(0, 10)}, load before ${loadBefore.toFixed(1)}`

export const loadNow = (): number => loadavg()[0] ?? 0

const machine = (): string => {
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB`
  const redis = /v=([\d.]+)/.exec(String(execFileSync('redis-server', ['--version'])))?.[1] ?? 'of an unknown version'
  return `${cpus().length} × ${model()}, ${memory}; Node.js ${process.version}, Redis ${redis}`
}

const between = (name: string): RegExp => new RegExp(`(<!-- ${name} -->\n)([^]*?)(<!-- /${name} -->)`)

/**
 * The page with the table between its markers.
 * @param caption stands above it
 * @throws when the page has no such markers
 */
export const withTable = (text: string, name: string, table: Table, order: readonly string[], caption: string): string => {
  const found = between(name).exec(text)
  if (found === null) throw new Error(`docs/performance.md has no markers <!-- ${name} --> and <!-- /${name} -->`)
  const fresh = new Set(table.rows.map(keyOf))
  const kept = rowsWithin(found[2] ?? '', table.head).filter((cells) => !fresh.has(keyOf(cells)))
  const rows = sorted([...kept, ...table.rows], order)
  const block = `\n${caption}\n\n${markdown({ head: table.head, rows })}\n\n`
  return text.replace(between(name), (_, start: string, __, end: string) => `${start}${block}${end}`)
}

export const writeTable = async (name: string, table: Table, order: readonly string[], command: string): Promise<void> => {
  const text = await readFile(FILE, 'utf8')
  await writeFile(`${FILE}.new`, withTable(text, name, table, order, `\`${command}\` on ${machine()}:`))
  await rename(`${FILE}.new`, FILE)
}
