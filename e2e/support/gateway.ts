/**
 * A gateway of a scenario's own: `bin/sluice up` with a config written for it, free ports, a data folder that is removed, and a
 * clock that can be set. Its services are real processes, which a scenario may kill.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, startGateway } from '@sluice/testkit'
import { writeClock } from './clock.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SLUICE = join(ROOT, 'bin', 'sluice')

export type Result = { code: number; stdout: string; stderr: string }
export type ServiceName = 'ingress' | 'spooler' | 'delivery-agent' | 'mailbox' | 'redis'

/** A line of the log: `event` names a step of a message's life. */
export type LogLine = { time: string; service: string; msg?: string; event?: string; id?: string } & Record<string, unknown>

const run = (
  file: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number; input?: string } = {},
): Promise<Result> =>
  new Promise((resolve) => {
    const settings = {
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs ?? 60_000,
      maxBuffer: 64 * 1024 * 1024,
      cwd: ROOT,
    }
    const child = execFile(file, args, settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, stdout, stderr })
    })
    // A program that ends early need not read its input: its exit code tells.
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })

/** A program to its end; never rejects. */
export const runProgram = run

/** What was waited for: neither nothing nor `false`. */
type Found<T> = Exclude<T, false | null | undefined>

/** Waits until `look` gives something; the reason to wait is named when it does not come. */
export const eventually = async <T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = 20_000,
  everyMs = 25,
): Promise<Found<T>> => {
  const lateAt = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== null && found !== false) return found as Found<T>
    if (Date.now() > lateAt) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    await sleep(everyMs)
  }
}

export const parseLog = (output: string): LogLine[] =>
  output.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return []
    try {
      return [JSON.parse(line) as LogLine]
    } catch {
      return []
    }
  })

const DEFAULTS = [
  'hostname: mx.sluice.test',
  'trustedNetworks: [127.0.0.1/32]',
  'listeners: [{ name: smtp, listen: "127.0.0.1:$SMTP" }]',
  'mailbox: { listen: "127.0.0.1:$LMTP" }',
  'http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }',
]
const keyOf = (line: string): string => line.slice(0, line.indexOf(':') + 1)
const completed = (config: string): string => {
  const keys = new Set(config.split('\n').map(keyOf))
  return [config, ...DEFAULTS.filter((line) => !keys.has(keyOf(line))), ''].join('\n')
}

export type StartOptions = {
  /**
   * The config, YAML. `$SMTP` stands for the port of the listener, `$LMTP` for the mailbox's. What it leaves out is added: the name
   * mx.sluice.test, trust in 127.0.0.1, a listener on `127.0.0.1:$SMTP`, a mailbox on `$LMTP`, and a section `http` with free ports.
   */
  config: string
  args?: string[]
  env?: NodeJS.ProcessEnv
  /** Keep the folder of an earlier gateway: its spool. */
  folder?: string
}

export type Sluice = Awaited<ReturnType<typeof startSluice>>

export const startSluice = async (options: StartOptions) => {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'sluice-e2e-')))
  const [smtpPort, lmtpPort] = [await freePort(), await freePort()]
  const textOf = (written: string): string =>
    completed(written).replaceAll('$SMTP', String(smtpPort)).replaceAll('$LMTP', String(lmtpPort))
  const config = join(folder, 'sluice.yaml')
  const clock = join(folder, 'clock')
  await writeFile(config, textOf(options.config))
  const env = { SLUICE_CLOCK_FILE: clock, ...options.env }
  const args = ['up', '--config', config, '--data', folder, ...(options.args ?? [])]
  const gateway = await startGateway({ command: SLUICE, args, cwd: ROOT, env }).catch(async (fault: unknown) => {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
    throw fault
  })
  const log = (): LogLine[] => parseLog(gateway.output())
  const pidOf = (name: ServiceName): number => {
    const line = log().findLast((each) => each.service === 'up' && each.msg === 'started' && each.process === name)
    if (typeof line?.pid !== 'number') throw new Error(`no process ${name} has been started`)
    return line.pid
  }
  const url = (name: string): string => {
    const found = new RegExp(`^${name} figures\\s+(http://\\S+)/metrics`, 'm').exec(gateway.output())
    if (found?.[1] === undefined) throw new Error(`no figures of ${name} in the output`)
    return found[1]
  }
  return {
    folder,
    smtpPort,
    lmtpPort,
    server: `127.0.0.1:${smtpPort}`,
    readyAfterMs: gateway.readyAfterMs,
    output: gateway.output,
    log,
    /** Steps of messages' lives, by name. */
    events: (name: string): LogLine[] => log().filter((line) => line.event === name),
    /** `bin/sluice ARGS` on this gateway. */
    cli: (...words: string[]): Promise<Result> => run(SLUICE, [...words, '--config', config, '--data', folder]),
    /** Sends a mail by `bin/sluice send` and returns its ID. */
    send: async (to: string, ...words: string[]): Promise<string> => {
      const { stdout, stderr } = await run(SLUICE, ['send', '--server', `127.0.0.1:${smtpPort}`, '--to', to, ...words])
      const id = /queued as (\w+)/.exec(stdout)?.[1]
      if (id === undefined) throw new Error(`not queued: ${stdout}${stderr}`)
      return id
    },
    pidOf,
    kill: (name: ServiceName, signal: NodeJS.Signals = 'SIGKILL'): void => void process.kill(pidOf(name), signal),
    /** Writes the config anew while the gateway runs; completed as at its start. */
    configure: (written: string): Promise<void> => writeFile(config, textOf(written)),
    /** Adds to the clock of retry schedules, ms; resolves when the services have seen it. */
    setClock: async (offsetMs: number): Promise<void> => {
      await writeClock(clock, offsetMs)
      await sleep(150)
    },
    readyz: async (name: string): Promise<number> => (await fetch(`${url(name)}/readyz`).catch(() => ({ status: 0 }))).status,
    /** What /readyz says: `ready`, or the state and why. */
    readiness: async (name: string): Promise<string> => (await (await fetch(`${url(name)}/readyz`)).text()).trim(),
    metrics: async (name: string): Promise<string> => (await fetch(`${url(name)}/metrics`)).text(),
    /** Ctrl-C, or another signal; the folder is kept for another start. */
    pause: (signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> => gateway.stop(signal),
    stop: async (): Promise<void> => {
      await gateway.stop('SIGINT')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
