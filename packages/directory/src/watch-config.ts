/**
 * A config that follows its file, or the files of its folder. The content is looked at every two seconds, by its path each time, so
 * that a replaced file, an edited one and the swapped symlinks of a Kubernetes ConfigMap are all seen; it is taken once it has stayed
 * the same for a moment, so that a file that is being written is not read by halves.
 *
 * - What cannot be used (unreadable, empty, wrong) is told once, in words with file and line; the last good config stays in force,
 *   and `isRefused` says so as long as that lasts.
 * - The keys of LIVE_KEYS apply at once. Others need a restart; that they changed is told once.
 * - Secrets that the config names are followed in the same way; certificates by those who use them.
 * - What could not be used is tried again by itself, as a file that it names may come later: Kubernetes mounts each volume by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ConfigError, formatProblems, type Log } from '@sluice/runtime'
import type { Config } from './config.ts'
import { digestOf, refuseEmpty } from './config-files.ts'

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
/** Looks between two tries of a config that could not be used. */
const RETRIED_EVERY = 5

export type ConfigSource = { file: string; load: () => Promise<Config> }

export type LiveConfig = {
  /** As at the start, but for the keys that apply live: those answer by the newest good config whenever they are read. */
  config: Config
  /** Another object after each change. */
  version: () => Config
  /** Whether what the files say now cannot be used: a service that starts anew would end at once. */
  isRefused: () => boolean
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

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The keys that differ and do not apply live, those of sections as `limits.sizeBytes`. */
const needRestart = (running: Config, next: Config): string[] => {
  const ignored = new Set<string>([...LIVE_KEYS, 'warnings', 'files'])
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

  /** Secrets that are followed, too. */
  let { files } = running
  /** What was said last of a config that cannot be used. */
  let told = ''
  let refused = false

  /** @returns whether it can be used */
  const take = async ({ file, load }: ConfigSource): Promise<boolean> => {
    try {
      await refuseEmpty(file)
      const next = await load()
      files = next.files
      apply(next)
      refused = false
      return true
    } catch (error) {
      const said = error instanceof ConfigError ? formatProblems(error.problems) : String(error)
      const stays = 'the changed config cannot be used; the last good one stays in force'
      if (said !== told) log.error(stays, error instanceof ConfigError ? { problems: said } : { error })
      told = said
      refused = true
      return false
    }
  }

  const watch = async (from: ConfigSource): Promise<void> => {
    let taken = ''
    let failedLooks = 0
    while (!signal.aborted) {
      const digest = await digestOf(from.file, files)
      if (digest !== taken) {
        await pause(SETTLES_IN_MS)
        if (!signal.aborted && digest === (await digestOf(from.file, files))) {
          taken = digest
          told = ''
          failedLooks = (await take(from)) ? 0 : 1
        }
      } else if (failedLooks > 0 && failedLooks++ % RETRIED_EVERY === 0 && (await take(from))) failedLooks = 0
      await pause(everyMs)
    }
  }
  if (source !== null) void watch(source)
  return { config: viewOf(running, () => newest), version: () => newest, isRefused: () => refused, stop: () => abort.abort() }
}
