/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util'
import { CASES, type Case } from './cases.ts'

export const PEERS = ['postfix', 'haraka'] as const
export type PeerName = (typeof PEERS)[number]

export type BenchOptions = {
  cases: Case[]
  peers: PeerName[]
  runs: number
  /** null: each case's own. */
  count: number | null
  quick: boolean
  /** Compare with Postfix, and fail below the floors. */
  check: boolean
  write: boolean
  folder: string
}

export const HELP = `npm run bench -- [OPTIONS]

Moves mail from smtp-source through Sluice, Postfix and Haraka to a counting sink, one after the other, and compares them.
Exit code 0 only when every message arrived exactly once.

  --cases A,B      ${CASES.map(({ name }) => name).join(', ')}; all unless told
  --peers A,B      who Sluice is compared with: ${PEERS.join(', ')}, or none; all unless told
  --runs N         runs of each, interleaved; the figures are medians; 3
  --count N        messages per run, instead of each case's own
  --quick          one run with fewer messages
  --check          a quick run beside Postfix that fails below the floors of bench/relay/floors.ts
  --write          writes the table into docs/performance.md
  --folder FOLDER  where the queues lie while it runs, on the disk that is measured; /var/tmp
  --help           this`

const positive = (name: string, text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a whole number above 0, found ${text}`)
  return value
}

const chosen = <T>(option: string, text: string | undefined, all: readonly T[], nameOf: (each: T) => string): T[] => {
  if (text === undefined) return [...all]
  const words = text.split(',').filter((word) => word !== '')
  const stray = words.find((word) => !all.some((each) => nameOf(each) === word))
  if (stray !== undefined) throw new Error(`--${option} takes ${all.map(nameOf).join(', ')}, found ${stray}`)
  return all.filter((each) => words.includes(nameOf(each)))
}

/** @returns null when help is asked for; @throws in one line when something is not understood */
export const parseOptions = (args: string[]): BenchOptions | null => {
  const { values } = parseArgs({
    args,
    options: {
      cases: { type: 'string' },
      peers: { type: 'string' },
      runs: { type: 'string' },
      count: { type: 'string' },
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      folder: { type: 'string', default: '/var/tmp' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const { check, write, folder } = values
  const quick = values.quick || check
  if (check && values.peers !== undefined) throw new Error('--check compares with Postfix; leave --peers out')
  const peers = check ? 'postfix' : values.peers
  return {
    cases: chosen('cases', values.cases, CASES, ({ name }) => name),
    peers: peers === 'none' ? [] : chosen('peers', peers, PEERS, (name) => name),
    runs: values.runs === undefined ? (quick ? 1 : 3) : positive('runs', values.runs),
    count: values.count === undefined ? null : positive('count', values.count),
    quick,
    check,
    write,
    folder,
  }
}
