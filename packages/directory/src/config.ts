/**
 * The config as the services use it: the written one with every name resolved (schedules, local routes, folders), every
 * secret read and every default filled in. Built once at start; immutable afterwards.
 */
import { readFile } from 'node:fs/promises'
import { hostname as machineName } from 'node:os'
import { resolve } from 'node:path'
import { type Address, ConfigError } from '@sluice/runtime'
import type { ReplyRuleText } from '@sluice/smtp'
import type { Policy } from './policies.ts'
import { mergeReplyRules, type WrittenReplyRule } from './reply-rules.ts'
import { classic, internet, type Schedule } from './schedules.ts'
import type { WrittenConfig } from './schema.ts'

type Written<Key extends 'domains' | 'accounts' | 'routes' | 'listeners'> = WrittenConfig[Key][number]

export type Listener = Written<'listeners'>
export type Domain = Omit<Written<'domains'>, 'recipients'> & { recipients: 'listed' | 'any' }
/** `password`: plain, or a scrypt hash; null: cannot log in. */
export type Account = { address: string; quotaBytes: number | null; password: string | null }
export type RouteHost = { host: string; port: number; weight: number }
export type Route = Omit<Written<'routes'>, 'hosts' | 'auth' | 'schedule'> & {
  /** For `local` the mailbox service's LMTP address; empty for `mx`. */
  hosts: RouteHost[]
  auth: { user: string; password: string } | null
  schedule: Schedule
}

type Resolved =
  | 'hostname'
  | 'redis'
  | 'content'
  | 'domains'
  | 'accounts'
  | 'routes'
  | 'policies'
  | 'replyRules'
  | 'schedules'
  | 'schedule'
  | 'mailbox'

type WrittenRedis = WrittenConfig['redis']
/** Without `url`, `sentinels` and `cluster`, `sluice up` runs its own and passes the address on. */
export type SpoolRedis = Omit<WrittenRedis, 'passwordFile' | 'sentinelPasswordFile' | 'tls'> & {
  password: string | null
  sentinelPassword: string | null
  /** PEM texts. */
  tls: { ca?: string; cert?: string; key?: string } | null
}

export type Config = Omit<WrittenConfig, Resolved> & {
  hostname: string
  redis: SpoolRedis
  content: Omit<WrittenConfig['content'], 'directory'> & { directory: string }
  domains: Domain[]
  accounts: Account[]
  routes: Route[]
  policies: Policy[]
  /** In the order in which they are asked, the shipped ones included. */
  replyRules: ReplyRuleText[]
  schedules: Record<string, Schedule>
  /** The default one. */
  schedule: Schedule
  mailbox: { listen: Address; directory: string }
  /** What is allowed but probably not meant, in words. */
  warnings: string[]
  /** Files that were read besides: secrets. Absolute. */
  files: string[]
}

export type ReadSecret = (path: string) => Promise<string>

/** @returns the secret without its last line break. Throws when the file cannot be read or is empty. */
export const readSecret =
  (baseDir: string): ReadSecret =>
  async (path) => {
    const secret = (await readFile(resolve(baseDir, path), 'utf8')).replace(/\r?\n$/, '')
    if (secret === '')
      throw new ConfigError('config-unreadable', [
        { file: path, line: null, key: '', message: 'expected a secret; the file is empty' },
      ])
    return secret
  }

/** All schedules by name, the built-in ones included. */
export const schedulesOf = (written: WrittenConfig): Record<string, Schedule> => ({
  classic,
  internet,
  ...Object.fromEntries(Object.entries(written.schedules).map(([name, own]) => [name, { name, ...own }])),
})

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1)

/** Listed recipients: what the config says, else whether it lists any, or keeps the mail itself. */
export const recipientsOf = (domain: Written<'domains'>, written: WrittenConfig): 'listed' | 'any' => {
  if (domain.recipients !== null) return domain.recipients
  const local = domain.route === 'local' || written.routes.some(({ name, type }) => name === domain.route && type === 'local')
  const lists = Object.keys(domain.aliases).length > 0 || domain.catchAll !== null
  return local || lists || written.accounts.some(({ address }) => domainOf(address) === domain.name) ? 'listed' : 'any'
}

/** A domain may say `route: local` without a route of that name. */
const withLocalRoute = (written: WrittenConfig): Written<'routes'>[] => {
  const needed = written.domains.some(({ route }) => route === 'local') && !written.routes.some(({ name }) => name === 'local')
  if (!needed) return written.routes
  const local: Written<'routes'> = {
    name: 'local',
    match: [],
    type: 'local',
    hosts: [],
    select: 'order',
    tls: 'off',
    auth: null,
    connections: 20,
    rate: null,
    maxRecipients: 50,
    schedule: null,
  }
  return [...written.routes, local]
}

const reachable = ({ host, port }: Address): RouteHost => ({
  host: host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host,
  port,
  weight: 1,
})

const hostsOf = (route: Written<'routes'>, mailbox: Address): RouteHost[] => {
  if (route.type === 'local' && route.hosts.length === 0) return [reachable(mailbox)]
  const usual = route.type === 'smtp' ? (route.tls === 'implicit' ? 465 : 25) : 24
  return route.hosts.map(({ host, port, weight }) => ({ host, weight, port: port ?? usual }))
}

const redisOf = async (written: WrittenRedis, secret: ReadSecret): Promise<SpoolRedis> => {
  const { passwordFile, sentinelPasswordFile, tls, ...plain } = written
  const read = async (file: string | null | undefined): Promise<string | null> => (file == null ? null : secret(file))
  const [ca, cert, key] = await Promise.all([tls?.caFile, tls?.certFile, tls?.keyFile].map(read))
  return {
    ...plain,
    password: await read(passwordFile),
    sentinelPassword: await read(sentinelPasswordFile),
    tls: tls && { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) },
  }
}

/** Keys are read by who uses them, again and again, as they are rotated. */
const s3Of = (written: NonNullable<WrittenConfig['content']['s3']>, baseDir: string): typeof written => {
  const found = (file: string | null): string | null => file && resolve(baseDir, file)
  const { accessKeyFile, secretKeyFile, caFile } = written
  return {
    ...written,
    accessKeyFile: found(accessKeyFile),
    secretKeyFile: found(secretKeyFile),
    caFile: found(caFile),
  }
}

/**
 * Resolves a checked config. Names are known to exist (checks.ts).
 * @param source where the config came from; files are named relative to it
 */
export const resolveConfig = async (
  written: WrittenConfig,
  options: { baseDir: string; dataDir: string; warnings: string[]; secret: ReadSecret; shippedRules: WrittenReplyRule[] },
): Promise<Config> => {
  const { baseDir, dataDir } = options
  const files = new Set<string>()
  const secret: ReadSecret = (path) => {
    files.add(resolve(baseDir, path))
    return options.secret(path)
  }
  const schedules = schedulesOf(written)
  const schedule = schedules[written.schedule] ?? classic
  const { redis, content, mailbox } = written
  const secretOrNull = (path: string | null) => (path === null ? null : secret(path))
  const listeners = written.listeners.map((listener) => ({
    ...listener,
    tls: listener.tls && { certFile: resolve(baseDir, listener.tls.certFile), keyFile: resolve(baseDir, listener.tls.keyFile) },
  }))
  const config: Omit<Config, 'files'> = {
    ...written,
    hostname: written.hostname ?? machineName(),
    listeners,
    redis: await redisOf(redis, secret),
    content: {
      ...content,
      directory: resolve(dataDir, content.directory ?? 'content'),
      s3: content.s3 && s3Of(content.s3, baseDir),
    },
    domains: written.domains.map((domain) => ({ ...domain, recipients: recipientsOf(domain, written) })),
    accounts: await Promise.all(
      written.accounts.map(async ({ address, quotaBytes, passwordFile, passwordHash }) => ({
        address,
        quotaBytes,
        password: passwordHash ?? (await secretOrNull(passwordFile)),
      })),
    ),
    routes: await Promise.all(
      withLocalRoute(written).map(async (route) => ({
        ...route,
        hosts: hostsOf(route, mailbox.listen),
        auth: route.auth && { user: route.auth.user, password: await secret(route.auth.passwordFile) },
        schedule: (route.schedule === null ? undefined : schedules[route.schedule]) ?? schedule,
      })),
    ),
    policies: written.policies.map((policy) => ({
      ...policy,
      schedule: policy.schedule === null ? null : (schedules[policy.schedule] ?? schedule),
    })),
    replyRules: mergeReplyRules(written.replyRules, options.shippedRules),
    schedules,
    schedule,
    mailbox: { listen: mailbox.listen, directory: resolve(dataDir, mailbox.directory ?? 'mail') },
    warnings: options.warnings,
  }
  return { ...config, files: [...files].sort() }
}
