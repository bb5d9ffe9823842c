/**
 * kill -9 of the delivery-agent behind the final dot, before the reply: the far end has the message, and nobody else knows. Such tasks are
 * told apart from others in hand, and treated by policy. And a task that agents die of is set aside at the third death in a row.
 */
import { freePort } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { eventually } from './support/gateway.ts'
import { killAndAwaitNext } from './support/processes.ts'
import { routesTo, useFarEnd, useSluice, useSpool, useStarted } from './support/scene.ts'
import type { Spool } from './support/spool.ts'

const QUICK = 'schedules: { quick: { delays: [1s, 1s, 1s, 1s, 1s, 1s] } }\nschedule: quick'
/** A stalled session is found within 20 s; the machine may be busy. */
const FOUND_MS = 60_000

/** It took the message, and says nothing more. */
const mute = { silentAt: 'dot' } as const
/** Silent where nobody asks anything. */
const TALKING = { silentAt: 'auth' } as const
const untilMarked = (spool: Spool, id: string): Promise<unknown> =>
  eventually('the mark of the content’s end', async () => (await spool.redis.keys(`*:${id}:mark`)).length === 1)

/** A port for the figures of a delivery-agent, whichever process it is. */
const figures = async (): Promise<{ config: string; port: number }> => {
  const port = await freePort()
  return { port, config: `http: { ports: { ingress: 0, spooler: 0, mailbox: 0, delivery-agent: ${port} } }` }
}

const counted = async (port: number, event: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.includes(`event="${event}"`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

describe.concurrent('an agent is killed', () => {
  const far = useFarEnd(mute)
  const other = useFarEnd({ silentAt: 'data' })
  const own = useStarted(figures)
  const retrying = useSluice(() => `${QUICK}\n${own.config}\n${routesTo({ far, other })}`)
  const spool = useSpool(retrying)

  it('behind the dot, with delivery.unknownOutcome: retry: the message goes out once more, and is told apart from one before it', async () => {
    const id = await retrying.send('ok@far.test')
    await untilMarked(spool, id)
    await far.received(1)
    const early = await retrying.send('ok@other.test')
    await eventually('DATA of another', () => other.connections.some(({ commands }) => commands.includes('DATA')))
    await killAndAwaitNext(retrying, 'delivery-agent')
    far.set(TALKING)
    other.set(TALKING)
    await eventually('both to be recovered', () => retrying.events('recovery').length === 2, FOUND_MS)
    const recovered = Object.fromEntries(retrying.events('recovery').map((line) => [line.id, line.outcomeUnknown]))
    expect(recovered).toEqual({ [id]: true, [early]: false })
    await spool.idle(30_000)
    expect(far.messages).toHaveLength(2)
    expect(other.messages).toHaveLength(1)
    expect(retrying.events('outcome-unknown')).toMatchObject([{ id, held: false }])
    expect(await counted(own.port, 'outcome-unknown')).toBe(1)
    const trace = (await retrying.cli('trace', id)).stdout
    expect(trace).toMatch(/attempt 1, no host, crash: .*may have/)
    expect(trace).toMatch(/ok@far\.test delivered/)
    expect((await retrying.cli('trace', early)).stdout).not.toContain('may have')
    expect(retrying.events('parked')).toEqual([])
  })
})

describe.concurrent('with delivery.unknownOutcome: hold', () => {
  const far = useFarEnd(mute)
  const deadly = useFarEnd({ silentAt: 'data' })
  const well = useFarEnd()
  const own = useStarted(figures)
  const sluice = useSluice(
    () => `${QUICK}\n${own.config}\ndelivery: { unknownOutcome: hold }\n${routesTo({ far, deadly, well })}`,
  )
  const spool = useSpool(sluice)

  it('an agent killed behind the dot leaves the message for a look; one of whom three agents died in a row, too; the rest flows', async () => {
    const id = await sluice.send('ok@far.test')
    const poison = await sluice.send('ok@deadly.test')
    await untilMarked(spool, id)
    for (let death = 1; death <= 3; death++) {
      const atData = (): number => deadly.connections.filter(({ commands }) => commands.includes('DATA')).length
      await eventually(`DATA of attempt ${death}`, () => atData() === death, FOUND_MS)
      await killAndAwaitNext(sluice, 'delivery-agent')
      await sluice.send(`ok+${death}@well.test`)
      if (death < 3)
        await eventually(
          'a recovery',
          () => sluice.events('recovery').filter((line) => line.id === poison).length === death,
          FOUND_MS,
        )
    }
    await eventually('both to be set aside', () => sluice.events('parked').length === 2, FOUND_MS)
    await well.received(3, 30_000)
    expect(far.messages).toHaveLength(1)
    expect(sluice.events('outcome-unknown')).toMatchObject([{ id, held: true }])
    expect(await counted(own.port, 'parked')).toBe(1) // the agent that lives now; the other one died with its figures
    const queue = JSON.parse((await sluice.cli('queue', '--json')).stdout).destinations as {
      destination: string
      parked: number
    }[]
    expect(queue.map(({ destination, parked }) => `${destination} ${parked}`).sort()).toEqual(['deadly 1', 'far 1'])
    expect((await sluice.cli('trace', id)).stdout).toMatch(
      /parked: set aside for you\n[\s\S]*whether the far end took it is not known/,
    )
    expect((await sluice.cli('trace', poison)).stdout).toMatch(/parked: set aside for you\n[\s\S]*died 3 times in a row/)

    far.set(TALKING)
    deadly.set(TALKING)
    for (const each of [id, poison]) expect((await sluice.cli('retry', each)).code).toBe(0)
    await spool.idle(30_000)
    expect(far.messages).toHaveLength(2)
    expect(deadly.messages).toHaveLength(1)
  }, 240_000)
})
