import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { lmtpClient } from './test-support/lmtp-client.ts'

const MIB = 1_048_576
const script = join(import.meta.dirname, 'test-support', 'run-mailbox.ts')
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-mail-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** @param limit a shell command before Node starts */
const start = async (limit: string) => {
  const child = spawn('bash', ['-c', `${limit} && exec ${process.execPath} --no-warnings ${script} ${directory}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const client = await lmtpClient(Number((await lines.next()).value))
  await client.reply()
  await client.say('LHLO client.test')
  return {
    client,
    /** @returns the most resident memory it had, in KiB */
    stop: async () => {
      client.close()
      child.kill('SIGTERM')
      const maxKiB = Number((await lines.next()).value)
      await once(child, 'close')
      return maxKiB
    },
  }
}

const filesOf = (account: string, kind: string): Promise<string[]> => readdir(join(directory, 'sluice.test', account, kind))

it('R-gone: a full disk is 452 4.3.1, and nothing of the mail is left', async () => {
  const { client, stop } = await start('ulimit -f 64')
  const { dot } = await client.deliver('s@example.org', ['<ben@sluice.test>'], `A: b\r\n\r\n${'x\r\n'.repeat(MIB)}`)
  expect(dot[0]).toMatch(/^452 4\.3\.1/)
  expect([...(await filesOf('ben', 'tmp')), ...(await filesOf('ben', 'new'))]).toEqual([])
  expect((await client.deliver('s@example.org', ['<ben@sluice.test>'], 'A: b\r\n\r\nsmall')).dot[0]).toMatch(/^250/)
  await stop()
})

it('streams 25 MiB to three accounts within 200 MiB', async () => {
  const { client, stop } = await start(':')
  const content = `Subject: big\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(260_000)}`
  const names = ['anna', 'ben', 'carl']
  const { dot } = await client.deliver(
    's@example.org',
    names.map((name) => `<${name}@sluice.test>`),
    content,
  )
  expect(dot.map((reply) => reply.slice(0, 3))).toEqual(['250', '250', '250'])
  for (const name of names) {
    const [file] = await filesOf(name, 'new')
    const { size } = await stat(join(directory, 'sluice.test', name, 'new', file!))
    expect(size).toBeGreaterThan(24 * MIB)
  }
  expect(await stop()).toBeLessThan(200 * 1024)
})
