/** `sluice config explain`: which route, class and policies bind the mail to a destination, and what comes of them. */
import { parseArgs } from 'node:util'
import { destinationName, domainOf, partsOf } from '@sluice/contracts'
import { createDirectory, type Directory, loadConfig, type Site } from '@sluice/directory'
import { type Command, EXIT, type Io, UsageError } from '../command.ts'
import { asDestination } from '../no-destination.ts'
import { shapingRows } from '../shaping-text.ts'

const HELP = `Usage: sluice config explain DESTINATION [options]

Says what binds the mail to a destination: its route and class, the policies that apply, and what comes of all of them. A
destination is a mail address, a domain, a route's name or a name from \`sluice queue\`, with its class: example.org/bulk.

  --config FILE   the gateway's config, or a folder of files; without it $SLUICE_CONFIG, else the built-in one
  --site HOST     the site's name or one of its hosts (an MX); may be given several times. For MX routes, policies that ask
                  for a site apply only with it: this command asks no DNS
  --json          for programs

Exit codes: 0 told; 2 the config is wrong, or no destination was named; 3 no route takes this mail.
`

/** A domain or an address leads where its route says; anything else is a destination already. */
const find = (directory: Directory, typed: string): string | null => {
  const { hop, class: cls } = partsOf(asDestination(typed))
  if (directory.routeOf(hop) !== null && !hop.includes('@')) return destinationName(hop, cls)
  const address = hop.includes('@') ? hop : `postmaster@${domainOf(hop)}`
  const found = directory.destinationOf({ address: address.toLowerCase() })
  return found === null ? null : destinationName(found, cls)
}

const table = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}\n`).join('')
}

const tell = (directory: Directory, typed: string, site: Site | null, json: boolean, io: Io): boolean => {
  const destination = find(directory, typed)
  const route = destination === null ? null : directory.routeOf(destination)
  const explained = destination === null ? null : directory.explain(destination, site)
  if (destination === null || route === null || explained === null) {
    io.err(`no route takes mail for ${typed}\n`)
    return false
  }
  const { shaping, applied } = explained
  const policies = applied.map((i) => `policies[${i}]`)
  const cls = partsOf(destination).class
  if (json) {
    io.out(`${JSON.stringify({ destination, route: route.name, class: cls || 'default', site, policies, shaping })}\n`)
    return true
  }
  const asked = site === null && route.type === 'mx' ? 'not given (--site): policies that ask for one are left out' : null
  io.out(
    table([
      ['destination', destination],
      ['route', `${route.name}, type ${route.type}`],
      ['class', cls || 'default'],
      ['site', asked ?? site?.hosts.join(', ') ?? route.name],
      ['policies', policies.length === 0 ? 'none apply' : policies.join(', ')],
      ...shapingRows(shaping),
    ]),
  )
  return true
}

export const configExplain: Command = {
  name: 'config explain',
  summary: 'what binds the mail to a destination, and why',
  help: HELP,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { config: { type: 'string' }, site: { type: 'string', multiple: true }, json: { type: 'boolean' } },
    })
    const [typed] = positionals
    if (typed === undefined || positionals.length > 1) throw new UsageError('expected one destination')
    const directory = createDirectory(await loadConfig(values.config ?? io.env.SLUICE_CONFIG ?? null, io.env))
    const hosts = (values.site ?? []).map((host) => host.toLowerCase())
    const site = hosts[0] === undefined ? null : { name: hosts.join(','), hosts }
    return tell(directory, typed, site, values.json === true, io) ? EXIT.ok : EXIT.notFound
  },
}
