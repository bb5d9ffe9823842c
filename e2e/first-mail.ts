/**
 * `npm run e2e:first-mail`: what a newcomer does. Starts the gateway with `npm start`, sends a mail with the very command
 * that it prints, finds the mail in the folder that it prints, presses Ctrl-C, and starts a second time, which has to
 * take less than 10 s. Afterwards no process is left. Uses a data folder of its own; exit code 0 when all of it went well.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Gateway, startGateway } from '@sluice/testkit'
import { endLeftovers } from './run/leftovers.ts'

const ROOT = join(import.meta.dirname, '..')
const MARK = 'SLUICE_FIRST_MAIL'
const DELIVERED_WITHIN_MS = 20_000
const SECOND_START_WITHIN_MS = 10_000
/** What is missing has been fetched already, before this script runs. */
const FIRST_START_WITHIN_MS = 45_000

/** What stands after a label: on the rest of its line, or else on the next line. */
const valueAfter = (output: string, label: RegExp): string => {
  const lines = output.split('\n')
  const at = lines.findIndex((line) => label.test(line))
  if (at < 0) throw new Error(`the gateway prints nothing like ${label}:\n${output}`)
  const rest = (lines[at] ?? '').replace(label, '').trim()
  return rest === '' ? (lines[at + 1] ?? '').trim() : rest
}

const list = async (folder: string): Promise<string[]> => readdir(folder).catch((): string[] => [])

const waitForMail = async (folder: string, before: Set<string>): Promise<string> => {
  const lateAt = Date.now() + DELIVERED_WITHIN_MS
  for (;;) {
    const found = (await list(folder)).find((name) => !before.has(name))
    if (found !== undefined) return join(folder, found)
    if (Date.now() > lateAt) throw new Error(`no mail in ${folder} after ${DELIVERED_WITHIN_MS / 1000} s`)
    await pause(50)
  }
}

const sendAndFind = async (gateway: Gateway): Promise<void> => {
  const command = valueAfter(gateway.output(), /^.*first mail.*?:/i)
  const folder = valueAfter(gateway.output(), /^.*(?:lands|arrives) in.*?:?(?=\s|$)/i)
  const before = new Set(await list(folder))
  const { stdout } = await promisify(execFile)('sh', ['-c', command], { cwd: ROOT, timeout: 30_000 })
  console.log(`sent with: ${command}\n${stdout.trim()}`)
  const file = await waitForMail(folder, before)
  const mail = await readFile(file, 'latin1')
  for (const header of ['Return-Path', 'Delivered-To', 'Received', 'Date', 'Message-ID', 'From', 'Subject']) {
    if (!new RegExp(`^${header}:`, 'im').test(mail)) throw new Error(`${file} has no header ${header}:\n${mail}`)
  }
  console.log(`found: ${file}`)
}

const start = async (folder: string, run: string, readyWithinMs: number): Promise<Gateway> => {
  const args = ['start', '--silent', '--', '--data', folder]
  const gateway = await startGateway({ command: 'npm', args, cwd: ROOT, env: { [MARK]: run }, readyWithinMs })
  console.log(`ready after ${(gateway.readyAfterMs / 1000).toFixed(1)} s`)
  return gateway
}

const stopCleanly = async (gateway: Gateway): Promise<void> => {
  const code = await gateway.stop('SIGINT')
  if (code !== 0) throw new Error(`after Ctrl-C the gateway ended with exit code ${code}:\n${gateway.output()}`)
}

const main = async (folder: string, run: string): Promise<void> => {
  const first = await start(folder, run, FIRST_START_WITHIN_MS)
  try {
    await sendAndFind(first)
  } finally {
    await stopCleanly(first)
  }
  await stopCleanly(await start(folder, run, SECOND_START_WITHIN_MS))
  const leftovers = await endLeftovers(`${MARK}=${run}`)
  if (leftovers.length > 0)
    throw new Error(`still running: ${leftovers.map(({ pid, command }) => `${pid} ${command}`).join('; ')}`)
  console.log('first mail: sent, found, stopped, started again, and nothing left running')
}

const run = randomUUID()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void endLeftovers(`${MARK}=${run}`).finally(() => process.exit(1)))
}
const folder = await mkdtemp(join(tmpdir(), 'sluice-first-mail-'))
try {
  await main(folder, run)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await endLeftovers(`${MARK}=${run}`)
  await rm(folder, { recursive: true, force: true })
}
