/** The command line of `npm run chaos`. */
import { parseArgs } from 'node:util'

export type Options = {
  seed: number
  /** kill −9, at least so many, over all processes. */
  kills: number
  /** How long the faults are spread over, ms; a slow machine takes longer, and never fewer faults. */
  faultsMs: number
  /** Messages a second. */
  rate: number
  size: 'ci' | 'long'
  shape: Shape
  write: boolean
  keep: boolean
}

/** What a seed chooses of the gateway, too. */
export type Shape = { lanes: number; store: 'redis' | 'file'; unknownOutcome: 'retry' | 'hold' }

const shapeOf = (seed: number): Shape => ({
  lanes: seed % 2 === 0 ? 2 : 1,
  store: seed % 3 === 0 ? 'file' : 'redis',
  unknownOutcome: seed % 5 === 0 ? 'hold' : 'retry',
})

/** In words. */
export const describeShape = ({ lanes, store, unknownOutcome }: Shape): string =>
  `${lanes} ${lanes === 1 ? 'lane' : 'lanes'}, large contents in ${store}, unknown outcomes: ${unknownOutcome}`

const SIZES = { ci: { kills: 200, minutes: 2.2 }, long: { kills: 1000, minutes: 12 } }

export const HELP = `npm run chaos -- [options]

A gateway under load whose parts are killed, frozen, cut off and starved, and an account of every message that got a 250.
Exit code 0 only when none was lost, and none doubled that was not in transmission at a fault.

  --seed N       the same number gives the same faults in the same order, and the same mails (1); even ones give the spool two
                 lanes, those divisible by three keep large contents in files, those by five hold what has an unknown outcome
  --kills N      kill -9, at least so many (${SIZES.ci.kills})
  --minutes N    how long the faults are spread over; then comes the time to settle (${SIZES.ci.minutes})
  --rate N       messages a second (60)
  --long         ${SIZES.long.kills} kills in ${SIZES.long.minutes} minutes
  --write        writes the table into docs/reliability.md
  --keep         keeps the folder with spool, Maildirs and logs; after a failed run it is kept anyway
  --help         this text
`

/** Above zero. @throws for anything else */
const numberOf = (name: string, text: string): number => {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes a number above zero, not ${text}`)
  return value
}

/** @returns null when help was asked for @throws in one line when an option is wrong */
export const readOptions = (args: string[]): Options | null => {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: '1' },
      kills: { type: 'string' },
      minutes: { type: 'string' },
      rate: { type: 'string', default: '60' },
      long: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const size = values.long ? 'long' : 'ci'
  const { kills, minutes } = SIZES[size]
  const seed = Math.trunc(numberOf('seed', values.seed))
  return {
    seed,
    shape: shapeOf(seed),
    kills: Math.trunc(numberOf('kills', values.kills ?? String(kills))),
    faultsMs: numberOf('minutes', values.minutes ?? String(minutes)) * 60_000,
    rate: numberOf('rate', values.rate),
    size,
    write: values.write,
    keep: values.keep,
  }
}
