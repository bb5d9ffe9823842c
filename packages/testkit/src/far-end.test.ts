import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type FarEnd, type FarEndOptions, startFarEnd } from './index.ts'

const ends: FarEnd[] = []
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end.stop()))
})

/** Sends all at once, and returns all that came until the far end hung up. */
const talk = async (options: FarEndOptions, ...lines: string[]): Promise<{ end: FarEnd; said: string[] }> => {
  const end = await startFarEnd(options)
  ends.push(end)
  const socket = connect(end.port, end.host)
  let said = ''
  socket.on('data', (piece) => {
    said += piece.toString()
  })
  socket.on('error', () => {})
  socket.write(lines.map((line) => `${line}\r\n`).join(''))
  await once(socket, 'close')
  return { end, said: said.split('\r\n').map((line) => line.slice(0, 3)) }
}

const ENVELOPE = ['EHLO a', 'MAIL FROM:<a@b.test> SIZE=9', 'RCPT TO:<"x>y"@b.test>', 'DATA']

describe('the scripted far end', () => {
  it('records a message with its parameters, un-stuffed', async () => {
    const { end } = await talk({}, ...ENVELOPE, '..a', '.', 'QUIT')
    expect(end.messages).toMatchObject([
      { from: 'a@b.test', parameters: 'SIZE=9', recipients: [{ address: '"x>y"@b.test', parameters: '' }], connection: 0 },
    ])
    expect(end.messages[0]?.content.toString()).toBe('.a\r\n')
    expect(end.connections[0]?.commands).toEqual([...ENVELOPE, 'QUIT'])
  })

  it('takes an empty content', async () => {
    const { end } = await talk({}, ...ENVELOPE, '.', 'QUIT')
    expect(end.messages[0]?.content.length).toBe(0)
  })

  it('keeps what was never ended apart from the messages', async () => {
    const { end } = await talk({}, ...ENVELOPE.with(2, 'RCPT TO:<disconnect-in-data@b.test>'), 'half')
    expect(end.messages).toHaveLength(0)
    expect(end.connections[0]?.unfinished).not.toBeNull()
  })

  it('refuses some times, then takes', async () => {
    const rcpt = 'RCPT TO:<tempfail-2@b.test>'
    const { said } = await talk({ extensions: [] }, 'EHLO a', 'MAIL FROM:<>', rcpt, rcpt, rcpt, 'QUIT')
    expect(said).toEqual(['220', '250', '250', '450', '450', '250', '221', ''])
  })

  it('answers each recipient after the dot with LMTP', async () => {
    const rcpt = ['RCPT TO:<ok@b.test>', 'RCPT TO:<reject-data@b.test>']
    const { end, said } = await talk(
      { protocol: 'lmtp', extensions: [] },
      'LHLO a',
      'MAIL FROM:<>',
      ...rcpt,
      'DATA',
      'a',
      '.',
      'QUIT',
    )
    expect(said.slice(-4)).toEqual(['250', '554', '221', ''])
    expect(end.messages).toHaveLength(1)
  })

  it('refuses DATA without recipients', async () => {
    const { said } = await talk({ extensions: [] }, 'EHLO a', 'MAIL FROM:<>', 'DATA', 'QUIT')
    expect(said).toEqual(['220', '250', '250', '554', '221', ''])
  })
})
