/** `sluice why`: what a message, or a destination, waits for, and until when. */
import { parseArgs } from 'node:util'
import { isMessageId } from '@sluice/contracts'
import type { History, Trace } from '@sluice/spool'
import { type Command, EXIT, UsageError } from '../command.ts'
import { asDestination, noDestination } from '../no-destination.ts'
import { formatTime } from '../table.ts'
import { destinationLines, taskLines } from '../verbs/why-words.ts'
import { type OpenSpool, SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

type Told = { destination: string; recipients: string[]; lines: string[] }

/** The schedule that binds it, the first attempt included. */
const attemptsOf = ({ directory, config }: OpenSpool, destination: string): number =>
  (directory.shapingOf(destination, null)?.schedule ?? config.schedule).delaysMs.length + 1

const doneBy = ({ by }: History): string => (by === undefined ? '' : ` by ${by.who}${by.why === '' ? '' : `: ${by.why}`}`)

const historyOf = (entry: History): Told[] =>
  entry.recipients.map(({ address, kind, status, reason }) => ({
    destination: entry.destination,
    recipients: [address],
    lines: [`${kind} at ${formatTime(entry.at)}${doneBy(entry)}, ${status}: ${reason}`],
  }))

const whyMessage = async (spool: OpenSpool, found: Trace, now: number): Promise<Told[]> => {
  const waiting = await Promise.all(
    found.tasks.map(async ({ destination, task }): Promise<Told> => {
      const standing = await spool.why(destination, found.id)
      const lines = taskLines(standing, task, attemptsOf(spool, destination), now)
      return { destination, recipients: task?.to.map(({ address }) => address) ?? [], lines }
    }),
  )
  const intake: Told[] =
    found.intake === null
      ? []
      : [
          {
            destination: 'several destinations',
            recipients: found.intake.to.map(({ address }) => address),
            lines: ['a spooler is still to make its tasks; more than a moment of this means that none runs'],
          },
        ]
  return [...intake, ...waiting, ...found.history.flatMap(historyOf)]
}

const whyName = async (spool: OpenSpool, name: string): Promise<Told[] | string> => {
  const now = Date.now()
  if (isMessageId(name)) {
    const found = await spool.trace(name)
    return found === null ? `nothing is known of ${name}` : whyMessage(spool, found, now)
  }
  const destination = asDestination(name)
  const wrong = await noDestination(spool, destination)
  return wrong ?? [{ destination, recipients: [], lines: destinationLines(await spool.why(destination), now) }]
}

const print = ({ destination, recipients, lines }: Told): string =>
  [
    `${destination}${recipients.length === 0 ? '' : ` (${recipients.join(', ')})`}:`,
    ...lines.map((line) => `  ${line}`),
    '',
  ].join('\n')

export const why: Command = {
  name: 'why',
  summary: 'what a message or a destination waits for, and until when',
  help: `Usage: sluice why ID|DESTINATION... [options]

Says in words what stands in the way of a message, for each destination it goes to: a hold, a suspended site, a site that does not
answer, a reply rule, connections that are all in use, a rate, agents that are busy, its place in line, the attempt that is
planned; or what became of it.

${SPOOL_HELP}

Exit codes: 0 found; 1 Redis does not answer; 2 nothing was named; 3 nothing is known of one of them.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: SPOOL_OPTIONS })
    if (positionals.length === 0) throw new UsageError('expected an ID or a destination')
    const answers = await withSpool(values, io, (spool) => Promise.all(positionals.map((name) => whyName(spool, name))))
    const problems = answers.filter((each) => typeof each === 'string')
    const told = answers.filter((each) => typeof each !== 'string').flat()
    io.out(values.json ? `${JSON.stringify({ why: told })}\n` : told.map(print).join(''))
    io.err(problems.map((each) => `${each}\n`).join(''))
    return problems.length > 0 ? EXIT.notFound : EXIT.ok
  },
}
