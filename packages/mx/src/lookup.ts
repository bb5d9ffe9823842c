/** Single questions to the DNS, with answers as data: found, not there, no such name, or no answer now. */
import { Resolver, lookup as systemLookup } from 'node:dns/promises'

export type Answer<T> =
  | { kind: 'found'; records: T[] }
  | { kind: 'empty' }
  | { kind: 'no-name' }
  | { kind: 'failed'; reason: string }

export type NameServer = { host: string; port: number }

const formatServer = ({ host, port }: NameServer): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

export type MxRecord = { exchange: string; priority: number }

const ask = async <T>(question: () => Promise<T[]>): Promise<Answer<T>> => {
  try {
    const records = await question()
    return records.length === 0 ? { kind: 'empty' } : { kind: 'found', records }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    if (code === 'ENODATA') return { kind: 'empty' }
    if (code === 'ENOTFOUND') return { kind: 'no-name' }
    return { kind: 'failed', reason: code }
  }
}

/**
 * @param servers name servers by address; none: those of the system
 * @param timeoutMs for one question to one server; every server is asked twice
 */
export const createLookup = (options: { servers: readonly NameServer[]; timeoutMs: number }) => {
  const resolver = new Resolver({ timeout: options.timeoutMs, tries: 2 })
  if (options.servers.length > 0) resolver.setServers(options.servers.map(formatServer))
  return {
    mx: (domain: string): Promise<Answer<MxRecord>> => ask(() => resolver.resolveMx(domain)),
    a: (name: string): Promise<Answer<string>> => ask(() => resolver.resolve4(name)),
    aaaa: (name: string): Promise<Answer<string>> => ask(() => resolver.resolve6(name)),
    /** The system's own way: /etc/hosts, search domains, as `ping` would do it. */
    system: (name: string): Promise<Answer<string>> =>
      ask(async () => (await systemLookup(name, { all: true })).map((found) => found.address)),
  }
}
export type Lookup = ReturnType<typeof createLookup>
