/**
 * A config that follows its file. The content is looked at every two seconds, by its path each time, so that a replaced file, an
 * edited one and the swapped symlinks of a Kubernetes ConfigMap are all seen; it is taken once it has stayed the same for a moment, so
 * that a file that is being written is not read by halves.
 *
 * - What cannot be used (unreadable, empty, wrong) is told once, in words with file and line; the last good config stays in force.
 * - The keys of LIVE_KEYS apply at once. Others need a restart; that they changed is told once.
 * - Files that the config names (passwords, certificates) are read again when the config's own content changes.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ConfigError, formatProblems, type Log } from '@sluice/runtime'
import type { Config } from './config.ts'

export const LIVE_KEYS = [
  'accounts',
  'classes',
  'defaultShare',
  'domains',
  'metrics',
  'policies',
  'replyRules',
  'routes',
  'schedule',
  'schedules',
  'spooler',
  'tracing',
  'trustedNetworks',
] as const satisfies (keyof Config)[]

const EVERY_MS = 2000
/** So long the content must stay the same. */
const SETTLES_IN_MS = 300

export type ConfigSource = { file: string; load: () => Promise<Config> }

export type LiveConfig = {
  /** As at the start, but for the keys that apply live: those answer by the newest good config whenever they are read. */
  config: Config
  /** Another object after each change. */
  version: () => Config
  stop: () => void
}

export type WatchOptions = {
  /** In force now. */
  config: Config
  /** null: the config has no file and never changes. */
  source: ConfigSource | null
  log: Log
  everyMs?: number
}

const UNREADABLE = 'unreadable'

const digestOf = async (file: string): Promise<string> => {
  try {
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
  } catch {
    return UNREADABLE
  }
}

/** An editor may leave nothing for a moment, and nothing is a config, too: one without routes. */
const refuseEmpty = async (file: string): Promise<void> => {
  if ((await readFile(file, 'utf8').catch(() => 'unreadable')).trim() !== '') return
  throw new ConfigError('config-invalid', [{ file, line: 1, key: '', message: 'expected a config; the file is empty' }])
}

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The keys that differ and do not apply live, those of sections as `limits.sizeBytes`. */
const needRestart = (running: Config, next: Config): string[] => {
  const ignored = new Set<string>([...LIVE_KEYS, 'warnings'])
  const differing = (a: Record<string, unknown>, b: Record<string, unknown>): string[] =>
    [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !isDeepStrictEqual(a[key], b[key]))
  return differing(running, next)
    .filter((key) => !ignored.has(key))
    .flatMap((key) => {
      const [a, b]: unknown[] = [running[key as keyof Config], next[key as keyof Config]]
      return isSection(a) && isSection(b) ? differing(a, b).map((inner) => `${key}.${inner}`) : [key]
    })
}

/** Local mail goes to where the mailbox service listens now, whatever the file says of its next start. */
const withRunningMailbox = (running: Config, next: Config): Config =>
  isDeepStrictEqual(running.mailbox.listen, next.mailbox.listen)
    ? next
    : {
        ...next,
        routes: next.routes.map((route) => {
          const before = running.routes.find(({ name, type }) => name === route.name && type === 'local')
          return route.type === 'local' && before !== undefined ? { ...route, hosts: before.hosts } : route
        }),
      }

const viewOf = (running: Config, newest: () => Config): Config => {
  const view = { ...running }
  for (const key of LIVE_KEYS) Object.defineProperty(view, key, { enumerable: true, get: () => newest()[key] })
  return view
}

/** Begins to watch; nothing keeps the process alive for it. */
export const watchConfig = ({ config: running, source, log, everyMs = EVERY_MS }: WatchOptions): LiveConfig => {
  let newest = running
  const abort = new AbortController()
  const { signal } = abort
  const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal, ref: false }).catch(() => {})

  const apply = (loaded: Config): void => {
    const next = withRunningMailbox(running, loaded)
    const changed = LIVE_KEYS.filter((key) => !isDeepStrictEqual(newest[key], next[key]))
    const restart = needRestart(running, next)
    if (restart.length > 0)
      log.warn('these keys of the config have changed and apply after a restart', { keys: restart.join(', ') })
    if (changed.length === 0) return
    for (const warning of next.warnings) if (!newest.warnings.includes(warning)) log.warn(warning)
    newest = next
    log.info('the config has changed and applies now', { keys: changed.join(', ') })
  }

  const take = async ({ file, load }: ConfigSource): Promise<void> => {
    try {
      await refuseEmpty(file)
      apply(await load())
    } catch (error) {
      const stays = 'the changed config cannot be used; the last good one stays in force'
      log.error(stays, error instanceof ConfigError ? { problems: formatProblems(error.problems) } : { error })
    }
  }

  const watch = async (from: ConfigSource): Promise<void> => {
    let taken = ''
    while (!signal.aborted) {
      const digest = await digestOf(from.file)
      if (digest !== taken) {
        await pause(SETTLES_IN_MS)
        if (!signal.aborted && digest === (await digestOf(from.file))) {
          taken = digest
          await take(from)
        }
      }
      await pause(everyMs)
    }
  }
  if (source !== null) void watch(source)
  return { config: viewOf(running, () => newest), version: () => newest, stop: () => abort.abort() }
}
