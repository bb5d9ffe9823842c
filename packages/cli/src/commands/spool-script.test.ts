import { createSessionClient, publishedScripts } from '@sluice/spool'
import { startRedis } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { runCli } from '../run-cli.ts'

const sluice = async (...argv: string[]) => {
  const out: string[] = []
  const err: string[] = []
  const io = { out: (text: string) => void out.push(text), err: (text: string) => void err.push(text), env: {} }
  return { code: await runCli(['spool', 'script', ...argv], io), out: out.join(''), err: err.join('') }
}

describe('sluice spool script', () => {
  it('prints each script byte for byte, so that Redis knows it by the SHA1 that the list tells', async () => {
    const server = await startRedis()
    try {
      const list = await sluice()
      expect(list).toMatchObject({ code: 0, err: '' })
      for (const { name, sha1, keys } of publishedScripts()) {
        expect(list.out).toMatch(new RegExp(`^${name} +(sluice|bullmq) +${keys}  ${sha1}$`, 'm'))
        const { code, out } = await sluice(name)
        expect(code).toBe(0)
        expect(await server.client.script('LOAD', out)).toBe(sha1)
      }
    } finally {
      await server.stop()
    }
  })

  it('is the very text that the services send: what one of them has loaded is found by that SHA1', async () => {
    const server = await startRedis()
    try {
      const next = JSON.parse((await sluice('next', '--json')).out)

      const client = createSessionClient({
        redis: server.client,
        now: Date.now,
        random: () => 0,
        historyMax: 0,
        historyKeepMs: 1,
      })
      const session = { lane: 0, destination: 'far.test', id: '1', token: 't', run: 1 }
      expect(await client.turn(session, 'start', [], { kind: 'none' })).toEqual({ kind: 'fenced' })
      expect(await server.client.script('EXISTS', next.sha1)).toEqual([1])
      const args = ['sluice{00}', 'far.test', '1', 't 1', Date.now(), 'start', 2000, '', '', 0, 0, 1]
      expect(await server.client.evalsha(next.sha1, next.keys, 'sluice{00}:due', ...args)).toEqual([-1])
    } finally {
      await server.stop()
    }
  })

  it('of a name that is none lists those that there are: exit code 3', async () => {
    expect(await sluice('nothing')).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringMatching(/no script nothing: admit, .*next/),
    })
  })
})
