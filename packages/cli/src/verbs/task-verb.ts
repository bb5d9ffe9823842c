/** What the verbs on messages share: which ones, asking back, the audit, marking in pieces, and what is said at the end. */
import { parseArgs } from 'node:util'
import type { Mark, MarkVerb } from '@sluice/contracts'
import type { AuditNote, Marked, TaskState } from '@sluice/spool'
import { type Command, EXIT, type ExitCode, type Io, UsageError } from '../command.ts'
import { type OpenSpool, SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'
import { audited, BY_HELP, BY_OPTIONS, noteOf } from './audited.ts'
import { type Collected, collect, describe, wrongNames } from './collect.ts'
import { confirm } from './confirm.ts'
import { countOf, createProgress } from './progress.ts'
import { type Asked, parseQuery, QUERY_HELP, QUERY_OPTIONS } from './query.ts'

export const VERB_OPTIONS = {
  ...SPOOL_OPTIONS,
  ...BY_OPTIONS,
  ...QUERY_OPTIONS,
  all: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  yes: { type: 'boolean' },
  to: { type: 'string' },
} as const

export const VERB_HELP = `${QUERY_HELP}
  --all               every message

  --dry-run       count, show some, and do nothing
${BY_HELP}
${SPOOL_HELP}`

export type VerbValues = ReturnType<typeof parseVerb>['values']
const parseVerb = (args: string[]) => parseArgs({ args, allowPositionals: true, options: VERB_OPTIONS })

export type Given = { values: VerbValues; asked: Asked; io: Io }

export type TaskVerb = {
  name: MarkVerb
  summary: string
  /** Behind "Usage: sluice NAME", and the text below. */
  usage: string
  text: string
  /** What the verb can be about. */
  states: readonly TaskState[]
  /** It gives mail up: asks back for more than one. */
  isFinal?: boolean
  /** `3 messages are due now`, for people. */
  done: (count: string, isOne: boolean) => string
  /** The name of the number, for programs. */
  key: string
  /** The mark of one destination's tasks; null leaves them. */
  markFor?: (mark: Mark, destination: string, values: VerbValues) => Mark | null
  /** What is wrong with the command line; throws, or says it in words. */
  check?: (spool: OpenSpool, values: VerbValues) => Promise<string[]>
  /** Another way to do it, for queries that name destinations only; null when it is done task by task. */
  whole?: (spool: OpenSpool, given: Given, note: AuditNote) => Promise<ExitCode> | null
}

const says = (problems: string[], io: Io): ExitCode => {
  io.err(problems.map((each) => `${each}\n`).join(''))
  return EXIT.notFound
}

const markAll = async (spool: OpenSpool, verb: TaskVerb, found: Collected, given: Given, note: AuditNote): Promise<Marked> => {
  const { op, who, why } = note
  const sum: Marked = { done: 0, already: 0, gone: 0 }
  const progress = createProgress(given.io)
  let marked = 0
  for (const [destination, ids] of found.byDestination) {
    const mark: Mark = { verb: verb.name, who, why, at: Date.now(), op }
    const own = verb.markFor === undefined ? mark : verb.markFor(mark, destination, given.values)
    if (own === null) continue
    const { done, already, gone } = await spool.verbs.mark(destination, ids, own, (count) => {
      marked += count
      progress(() => `${verb.name}: ${marked.toLocaleString('en')} of ${countOf(found.count, 'message')}`)
    })
    sum.done += done
    sum.already += already
    sum.gone += gone
  }
  return sum
}

const perform = async (spool: OpenSpool, verb: TaskVerb, given: Given): Promise<ExitCode> => {
  const { values, asked, io } = given
  const wrong = [...((await verb.check?.(spool, values)) ?? []), ...(await wrongNames(spool, asked))]
  if (wrong.length > 0) return says(wrong, io)
  const note = noteOf(verb.name, values, values.to === undefined ? asked.words : `${asked.words} --to ${values.to}`)
  const whole = verb.whole?.(spool, given, note) ?? null
  if (whole !== null) return whole
  const found = await collect(spool, asked, io)
  if (values['dry-run'] === true) {
    const places = Object.fromEntries([...found.byDestination].map(([name, ids]) => [name, ids.length]))
    const told = { count: found.count, destinations: places, sample: found.sample }
    io.out(values.json ? `${JSON.stringify(told)}\n` : await describe(spool, found, Date.now()))
    return EXIT.ok
  }
  if (verb.isFinal === true && found.count > 1 && values.yes !== true) {
    if (!(await confirm(`${verb.name} ${countOf(found.count, 'message')}?`))) return EXIT.failed
  }
  let sum: Marked = { done: 0, already: 0, gone: 0 }
  if (found.count > 0) {
    await audited(spool, note, async () => {
      sum = await markAll(spool, verb, found, given, note)
      return sum.done
    })
  }
  const told = verb.done(countOf(sum.done, 'message'), sum.done === 1)
  const more = [
    ...(sum.already > 0 ? [`${sum.already} were so already`] : []),
    ...(sum.gone > 0 ? [`${sum.gone} had left meanwhile`] : []),
  ]
  const { already, gone } = sum
  const result = verb.key === 'due' ? { due: sum.done } : { [verb.key]: sum.done, already, gone }
  io.out(values.json ? `${JSON.stringify(result)}\n` : `${[told, ...more].join('; ')}\n`)
  return EXIT.ok
}

export const taskVerb = (verb: TaskVerb): Command => ({
  name: verb.name,
  summary: verb.summary,
  help: `Usage: sluice ${verb.name} ID|DESTINATION... ${verb.usage}[options]
       sluice ${verb.name} QUERY ${verb.usage}[options]

${verb.text}

${VERB_HELP}${verb.isFinal === true ? '\n  --yes           do not ask back' : ''}

Exit codes: 0 done, also when no message fits; 1 Redis does not answer, or you said no; 2 the command line is wrong; 3 there is no
such message or destination, and nothing was done. Broken off or given again, it does what is left.
`,
  run: async (args, io) => {
    const { values, positionals } = parseVerb(args)
    const asked = parseQuery(values, positionals, verb.states, Date.now())
    const everything = values.all === true
    if (!everything && asked.queries.length === 0) throw new UsageError('expected a destination, an ID or a query; or --all')
    if (everything && asked.queries.length > 0) throw new UsageError('--all leaves no room for a query')
    const everywhere = { states: verb.states, destination: () => true }
    const all: Asked = { ...asked, queries: [everywhere], isAboutDestinations: true, words: '--all' }
    return withSpool(values, io, (spool) => perform(spool, verb, { values, asked: everything ? all : asked, io }))
  },
})
