/**
 * A Postfix with a config, a queue and a log of its own, without chroot, on a free port of 127.0.0.1. Only root may start one.
 * Nothing of it outlives `stop`.
 */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './port.ts'
import { runProgram, waitForPort } from './program.ts'

export type PostfixOptions = {
  /** A folder that the caller removes; left out, a new one that `stop` removes. */
  folder?: string
  /** Lines of main.cf. `$FOLDER` stands for its folder. */
  parameters?: Record<string, string>
  /** Files beside main.cf, by name; those that end with `.key` are for root only. */
  files?: Record<string, string>
}

export type TestPostfix = {
  port: number
  folder: string
  /** The folder of main.cf, for `sendmail -C`. */
  config: string
  /** Its log so far. */
  log: () => Promise<string>
  stop: () => Promise<void>
}

const base = (folder: string): Record<string, string> => ({
  compatibility_level: '3.6',
  queue_directory: `${folder}/queue`,
  data_directory: `${folder}/data`,
  maillog_file: `${folder}/log/maillog`,
  maillog_file_prefixes: `${folder}/log`,
  // Its processes keep the mark of the test run that started them, so that the run finds those that were left behind.
  import_environment: 'MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME SLUICE_TEST_RUN',
  myhostname: 'postfix.test',
  mydestination: '',
  inet_interfaces: '127.0.0.1',
  inet_protocols: 'ipv4',
  mynetworks: '127.0.0.0/8',
  smtpd_relay_restrictions: 'permit_mynetworks, reject',
  smtpd_recipient_restrictions: '',
  smtpd_peername_lookup: 'no',
  alias_maps: '',
  alias_database: '',
  local_recipient_maps: '',
})

const MASTER = `
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
virtual   unix  - n n - - virtual
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`

const STOP_WITHIN_MS = 15_000

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** `postfix stop` returns before the last process has gone; the master's id tells. */
const stopPostfix = async (config: string, queue: string): Promise<void> => {
  const master = Number(await readFile(join(queue, 'pid', 'master.pid'), 'utf8').catch(() => '0'))
  await runProgram('postfix', ['-c', config, 'stop'])
  const lateAt = Date.now() + STOP_WITHIN_MS
  while (master > 0 && isAlive(master)) {
    if (Date.now() > lateAt) throw new Error(`Postfix (process ${master}) did not stop`)
    await pause(50)
  }
}

const writeFiles = async (folder: string, port: number, options: PostfixOptions): Promise<void> => {
  for (const name of ['config', 'queue', 'data', 'log']) await mkdir(join(folder, name))
  await chmod(folder, 0o755)
  await runProgram('chown', ['postfix', join(folder, 'data')])
  const parameters = Object.entries({ ...base(folder), ...options.parameters })
  const main = parameters.map(([name, value]) => `${name} = ${value.replaceAll('$FOLDER', folder)}\n`).join('')
  await writeFile(join(folder, 'config', 'main.cf'), main)
  await writeFile(join(folder, 'config', 'master.cf'), `127.0.0.1:${port} inet n - n - - smtpd${MASTER}`)
  for (const [name, text] of Object.entries(options.files ?? {})) {
    await writeFile(join(folder, 'config', name), text, { mode: name.endsWith('.key') ? 0o600 : 0o644 })
  }
}

export const startPostfix = async (options: PostfixOptions = {}): Promise<TestPostfix> => {
  if (process.getuid?.() !== 0) throw new Error('Postfix can only be started by root')
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'sluice-postfix-')))
  const port = await freePort()
  const config = join(folder, 'config')
  const log = (): Promise<string> => readFile(join(folder, 'log', 'maillog'), 'utf8').catch(() => '')
  await writeFiles(folder, port, options)
  await runProgram('postfix', ['-c', config, 'start'])
  const stop = async (): Promise<void> => {
    await stopPostfix(config, join(folder, 'queue'))
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
  }
  try {
    await waitForPort(port)
  } catch (error) {
    const said = await log()
    await stop()
    throw new Error(`Postfix does not listen:\n${said}`, { cause: error })
  }
  return { port, folder, config, log, stop }
}
