/** `sluice suspend` and `sluice resume`: a site, the hosts behind any number of destinations, is left alone. */
import { parseArgs } from 'node:util'
import { parseDurationMs } from '@sluice/runtime'
import { type Command, EXIT, UsageError } from '../command.ts'
import { formatTime } from '../table.ts'
import { audited, BY_HELP, BY_OPTIONS, noteOf } from '../verbs/audited.ts'
import { type OpenSpool, SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

/** The last moment that any clock here knows: until `resume`. */
const FOR_EVER = Date.UTC(9999, 0)

/** The sites that a name means: a site's own, or that of a destination. */
const sitesOf = async ({ selection }: OpenSpool, name: string): Promise<string[]> => {
  const bySite = new Set<string>()
  const byDestination = new Set<string>()
  for await (const found of selection.destinations({})) {
    for (const { destination, site } of found) {
      if (site === name) bySite.add(site)
      if (destination === name && site !== null) byDestination.add(site)
    }
  }
  return [...(bySite.size > 0 ? bySite : byDestination)]
}

const TEXT = `A site is the hosts behind destinations: \`sluice why DESTINATION\` names it. For a destination, its site is meant, with all other
destinations of it.`

const siteVerb = (name: 'suspend' | 'resume', summary: string, text: string): Command => ({
  name,
  summary,
  help: `Usage: sluice ${name} SITE|DESTINATION... [options]

${text} ${TEXT}

${name === 'suspend' ? '  --for SPAN      30m, 2h, 1d; until `sluice resume` without it\n' : ''}  --dry-run       name the sites, and do nothing
${BY_HELP}
${SPOOL_HELP}

Exit codes: 0 done; 1 Redis does not answer; 2 the command line is wrong; 3 there is no such site, and nothing was done.
`,
  run: async (args, io) => {
    const options = { ...SPOOL_OPTIONS, ...BY_OPTIONS, for: { type: 'string' }, 'dry-run': { type: 'boolean' } } as const
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
    if (positionals.length === 0) throw new UsageError('expected a site or a destination')
    const spanMs = values.for === undefined ? null : parseDurationMs(values.for)
    if (values.for !== undefined && (spanMs === null || name === 'resume'))
      throw new UsageError(
        name === 'resume' ? 'resume takes no --for' : `expected a span such as 2h behind --for, not ${values.for}`,
      )
    const until = spanMs === null ? FOR_EVER : Date.now() + spanMs
    return withSpool(values, io, async (spool) => {
      const found = await Promise.all(positionals.map((each) => sitesOf(spool, each)))
      const unknown = positionals.filter((_, at) => found[at]?.length === 0)
      if (unknown.length > 0) {
        io.err(unknown.map((each) => `there is no site ${each}, and no destination of that name has one\n`).join(''))
        return EXIT.notFound
      }
      const sites = [...new Set(found.flat())]
      const note = noteOf(name, values, [...positionals, ...(values.for === undefined ? [] : [`--for ${values.for}`])].join(' '))
      const why = `suspended by ${note.who}${note.why === '' ? '' : `: ${note.why}`}`
      if (values['dry-run'] !== true) {
        await audited(spool, note, async () => {
          const changed = sites.map((site) =>
            name === 'suspend' ? spool.verbs.suspend(site, until, why) : spool.verbs.resume(site),
          )
          return (await Promise.all(changed)).filter(Boolean).length
        })
      }
      const done = name === 'resume' ? 'resumed' : until === FOR_EVER ? 'suspended' : `suspended until ${formatTime(until)}`
      const [word = ''] = done.split(' ')
      io.out(values.json ? `${JSON.stringify({ [word]: sites })}\n` : sites.map((each) => `${each}: ${done}\n`).join(''))
      return EXIT.ok
    })
  },
})

export const suspend = siteVerb(
  'suspend',
  'leave a site alone for a time',
  'Delivery to these hosts stops, whatever destination it is for; their mail is kept, and does not expire. What is in hand is finished.',
)
export const resume = siteVerb(
  'resume',
  'deliver to a suspended site again',
  'Ends a suspension, and the pause that a reply rule set: what is due is delivered at once.',
)
