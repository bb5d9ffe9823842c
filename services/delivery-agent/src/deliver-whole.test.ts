/** Content that cannot be sent to its end, and connections after a refusal: nobody gets half a message, or one of another. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import {
  type Bench,
  CONTENT,
  createBench,
  glance,
  makeRoute,
  makeTask,
  PATIENT,
  pieces,
  useFarEnds,
} from './test-support/deliver.ts'

const farEnd = useFarEnds()

const bench = (): Promise<Bench> => createBench()

describe('R-short', () => {
  it.each([
    ['ends early', () => pieces(CONTENT.subarray(0, 20))],
    ['has too much', () => pieces(CONTENT, Buffer.from('more\r\n'))],
    ['is empty', () => pieces()],
    [
      'fails half-way',
      async function* () {
        yield CONTENT.subarray(0, 20)
        throw new Error('the disk is on fire')
      },
    ],
  ])('R-short: content that %s kills the connection and never gets its dot', async (_, content) => {
    const end = await farEnd()
    const { deliver } = await bench()
    const report = await deliver(makeRoute([end]), makeTask(['ok@example.test']), content)
    expect(glance(report)).toEqual(['deferred 4.3.0 content'])
    expect(glance(await deliver(makeRoute([end]), makeTask(['ok@example.test'])))).toEqual(['delivered 2.0.0'])
    expect(end.messages).toHaveLength(1)
    expect(end.messages[0]?.content.equals(CONTENT)).toBe(true)
    expect(end.connections).toHaveLength(2)
  })
})

describe('large content', () => {
  const PIECES = 40
  const PIECE = Buffer.from(`${'0123456789abcdef'.repeat(4)}\r\n`.repeat(2000))

  it('is let go piece by piece, as it is sent', async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const given: WeakRef<Buffer>[] = []
    let most = 0
    async function* content(): AsyncGenerator<Buffer> {
      for (let i = 0; i < PIECES; i++) {
        const piece = Buffer.from(PIECE)
        given.push(new WeakRef(piece))
        yield piece
        // A turn of the event loop later, as what was looked at by a WeakRef lives on until then.
        await new Promise(setImmediate)
        collect()
        most = Math.max(most, given.filter((reference) => reference.deref() !== undefined).length)
      }
    }
    const { deliver } = await bench()
    const task = makeTask(['ok@example.test'], { sizeBytes: PIECES * PIECE.length })
    expect(glance(await deliver(makeRoute([await farEnd()]), task, content))).toEqual(['delivered 2.0.0'])
    expect(given).toHaveLength(PIECES)
    expect(most).toBeLessThan(10)
  })
})

describe('content that does not come', () => {
  async function* stuck(): AsyncGenerator<Buffer> {
    yield CONTENT.subarray(0, 20)
    await new Promise(() => {})
  }

  it('R-short: a drop while the store is slow ends the attempt', async () => {
    const end = await farEnd()
    const delivery = (await bench()).deliver(makeRoute([end]), makeTask(['ok@example.test']), stuck)
    await expect.poll(() => end.connections[0]?.commands.at(-1), PATIENT).toBe('DATA')
    end.dropAll()
    expect(glance(await delivery)).toEqual(['deferred 4.4.2 content'])
    expect(end.messages).toHaveLength(0)
  })

  it('R-short: an interruption while the store is slow ends the attempt', async () => {
    const end = await farEnd()
    const stop = new AbortController()
    const conversation = (await bench()).conversations.open('far', makeRoute([end]))
    const options = { signal: stop.signal, aboutToEnd: () => {} }
    const delivery = conversation.deliver(makeTask(['ok@example.test']), stuck, options)
    await expect.poll(() => end.connections[0]?.commands.at(-1), PATIENT).toBe('DATA')
    stop.abort()
    expect(glance(await delivery)).toEqual(['deferred 4.3.0 crash'])
  })
})

describe('R-clean', () => {
  it.each(['reject', 'tempfail', 'refuse-data', 'reject-data'])(
    'R-clean: after a refusal (%s@) RSET, then the next message, whole',
    async (local) => {
      const end = await farEnd()
      const conversation = (await bench()).conversations.open('far', makeRoute([end]))
      const options = { signal: new AbortController().signal, aboutToEnd: () => {} }
      await conversation.deliver(makeTask([`${local}@example.test`]), () => pieces(CONTENT), options)
      await conversation.deliver(makeTask(['ok@example.test']), () => pieces(CONTENT), options)
      expect(end.connections).toHaveLength(1)
      expect(end.connections[0]?.commands.filter((line) => /^(?:MAIL|RSET)/.test(line)).map((line) => line.slice(0, 4))).toEqual([
        'MAIL',
        'RSET',
        'MAIL',
      ])
      expect(end.messages.map(({ content }) => content.equals(CONTENT))).toEqual([true])
    },
  )

  it('R-clean: a refused RSET closes the connection', async () => {
    const end = await farEnd({ replies: { rset: '500 5.5.2 no' } })
    const conversation = (await bench()).conversations.open('far', makeRoute([end]))
    const options = { signal: new AbortController().signal, aboutToEnd: () => {} }
    await conversation.deliver(makeTask(['reject@example.test']), () => pieces(CONTENT), options)
    expect(glance(await conversation.deliver(makeTask(['ok@example.test']), () => pieces(CONTENT), options))).toEqual([
      'delivered 2.0.0',
    ])
    expect(end.connections).toHaveLength(2)
  })

  it('R-clean: a far end that takes DATA though all recipients were refused gets a lone dot, and nobody a message', async () => {
    const end = await farEnd({ replies: { data: '354 go on' } })
    const conversation = (await bench()).conversations.open('far', makeRoute([end]))
    const options = { signal: new AbortController().signal, aboutToEnd: () => {} }
    expect(glance(await conversation.deliver(makeTask(['reject@example.test']), () => pieces(CONTENT), options))).toEqual([
      'bounced 5.1.1 rcpt',
    ])
    expect(end.messages).toHaveLength(0)
    expect(glance(await conversation.deliver(makeTask(['ok@example.test']), () => pieces(CONTENT), options))).toEqual([
      'delivered 2.0.0',
    ])
    expect(end.connections).toHaveLength(1)
  })

  const large = { sizeBytes: 20_000_000 }
  const largeContent = () => pieces(...Array.from({ length: 200 }, () => Buffer.alloc(100_000, 'x')))

  it('R-clean: a drop in the middle of the content is no unknown outcome: there was no dot', async () => {
    const end = await farEnd()
    const task = makeTask(['disconnect-in-data@example.test'], large)
    expect(glance(await (await bench()).deliver(makeRoute([end]), task, largeContent))).toEqual(['deferred 4.4.2 content'])
    expect(end.messages).toHaveLength(0)
  })

  it('R-clean: a refusal in the middle of the content counts, and ends the connection without the dot', async () => {
    const end = await farEnd({ replies: { content: '552 5.3.4 enough' } })
    const report = await (await bench()).deliver(makeRoute([end]), makeTask(['ok@example.test'], large), largeContent)
    expect(glance(report)).toEqual(['bounced 5.3.4 dot'])
    expect(end.messages).toHaveLength(0)
  })
})
