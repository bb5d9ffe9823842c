import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { dataFolder } from '../data-folder.ts'
import { endRedisIn } from './leftover.ts'
import { awaitRedis, prepareRedis } from './own-redis.ts'

let folder = ''
let child: ChildProcess | undefined

afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

/** A Redis as `sluice up` starts it, but with nobody who looks after it. */
const startOrphan = async (): Promise<ChildProcess> => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-leftover-'))
  const own = await prepareRedis(dataFolder(folder), process.env)
  const orphan = spawn(own.spec.command, own.spec.args, { stdio: ['pipe', 'ignore', 'ignore'] })
  child = orphan
  orphan.stdin?.end(own.spec.input)
  await awaitRedis(own, AbortSignal.timeout(10_000))
  return orphan
}

it('a Redis that was left behind ends before its files are taken over, also when its password and port are lost', async () => {
  const orphan = await startOrphan()
  const ended = once(orphan, 'exit')
  const data = dataFolder(folder)
  await rm(data.redisPassword)
  await rm(data.redisPort)
  await prepareRedis(data, process.env)
  expect(orphan.exitCode ?? orphan.signalCode).not.toBeNull()
  expect(await ended).toEqual([0, null])
})

it('a Redis of another folder is left alone', async () => {
  const orphan = await startOrphan()
  await endRedisIn(tmpdir())
  expect(orphan.exitCode).toBeNull()
})
