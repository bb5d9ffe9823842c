import { afterEach, describe, expect, it } from 'vitest'
import { nudgeChannel } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()

const none = { kind: 'none' } as const
const ok = { kind: 'ok' } as const
const finish = (id: string) => [{ kind: 'finish' as const, id, history: '' }]

/** Messages on the agent's channel. */
const listen = async (): Promise<string[]> => {
  const subscriber = spool.redis.duplicate()
  stops.push(() => subscriber.disconnect())
  const heard: string[] = []
  subscriber.on('message', (_channel: string, session: string) => heard.push(session))
  await subscriber.subscribe(nudgeChannel(0, 'a1'))
  return heard
}
const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A session that has delivered one message and lingers. */
const lingering = async () => {
  await spool.grant()
  await spool.accept(acceptOf('A'))
  await spool.scheduling.wake(0, 100)
  const session = await spool.takeSession()
  if (session === null) throw new Error('no session is open')
  expect(await spool.sessions.turn(session, 'start', [], none)).toMatchObject({ kind: 'task' })
  expect(await spool.sessions.turn(session, 'linger a1', finish('A'), ok)).toEqual({ kind: 'linger', ms: 1000 })
  return session
}

describe('a session that lingers', () => {
  it('holds no permit, hears of what comes, and takes it with a permit again; no session is opened beside it', async () => {
    const heard = await listen()
    const session = await lingering()
    expect(await spool.redis.exists(`${PREFIX}:permits:far.test`)).toBe(0)
    await spool.accept(acceptOf('B'))
    await expect.poll(() => heard).toEqual([session.id])
    expect(await spool.redis.scard(`${PREFIX}:sessions:far.test`)).toBe(1)
    expect(await spool.sessions.turn(session, 'resume a1', [], none)).toMatchObject({ kind: 'task', task: { id: 'B' } })
    expect(await spool.redis.zrange(`${PREFIX}:permits:far.test`, '0', '-1')).toEqual([session.id])
  })

  it('closes when nothing has come, and leaves nothing behind', async () => {
    const session = await lingering()
    expect(await spool.sessions.turn(session, 'resume a1', [], none)).toEqual({ kind: 'closed', why: 'empty' })
    const left = await spool.redis.exists(
      `${PREFIX}:lingering:far.test`,
      `${PREFIX}:permits:far.test`,
      `${PREFIX}:sessions:far.test`,
    )
    expect(left).toBe(0)
  })

  it('opens another session for what came while it was told to give its place away', async () => {
    const session = await lingering()
    await spool.accept(acceptOf('B'))
    expect(await spool.sessions.turn(session, 'close a1', [], none)).toEqual({ kind: 'closed', why: 'closed' })
    const next = await spool.takeSession()
    expect(next?.destination).toBe('far.test')
    expect(next?.id).not.toBe(session.id)
  })

  it('is not told twice', async () => {
    const heard = await listen()
    const session = await lingering()
    for (const id of ['B', 'C']) await spool.accept(acceptOf(id))
    await expect.poll(() => heard).toEqual([session.id])
    expect(await spool.redis.exists(`${PREFIX}:lingering:far.test`)).toBe(0)
  })

  it('may not stay while another destination waits for a permit of the site', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    await spool.scheduling.wake(0, 100)
    const session = await spool.takeSession()
    if (session === null) throw new Error('no session is open')
    await spool.sessions.turn(session, 'start', [], none)
    await spool.redis.zadd(`${PREFIX}:wants:far.test`, 1, 'other.test')
    expect(await spool.sessions.turn(session, 'linger a1', finish('A'), ok)).toEqual({ kind: 'closed', why: 'empty' })
  })

  it('finds no room when its site has given the permit to others, and its mail waits for one', async () => {
    const session = await lingering()
    await spool.redis.zadd(
      `${PREFIX}:permits:far.test`,
      ...Array.from({ length: 100 }, (_, i) => [String(Date.now()), `x${i}`]).flat(),
    )
    await spool.accept(acceptOf('B'))
    expect(await spool.sessions.turn(session, 'resume a1', [], none)).toEqual({ kind: 'closed', why: 'permits' })
    expect(await spool.redis.zrange(`${PREFIX}:wants:far.test`, '0', '-1')).toEqual(['far.test'])
  })
})
