import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { inWords, OpenedConnection } from './smtp-connection.ts'

const METHODS = [
  '_clearPhase',
  '_remainingSetupTime',
  '_sendCommand',
  '_processResponse',
  '_parseEhloExtensions',
  '_actionEHLO',
  '_upgradeConnection',
  '_onConnect',
  '_onError',
  '_onClose',
  '_destroy',
] as const

it('nodemailer has the parts that the client overrides', () => {
  const connection = new OpenedConnection({})
  for (const name of METHODS) expect(connection[name], name).toBeInstanceOf(Function)
  expect(connection).toMatchObject({
    _responseQueue: [],
    _responsePartial: false,
    _responseActions: [],
    _supportedAuth: [],
    _socket: false,
  })
})

it('nodemailer is pinned to the version whose inside was read', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>
  }
  expect(manifest.dependencies.nodemailer).toBe('10.6.0')
})

it('what the library quotes of a far end is one line, in bounds and harmless on a terminal', () => {
  const words = inWords(new Error(`Invalid greeting. response=\0\x1b[2J${'x'.repeat(60_000)}\r\n`))
  expect(words).toMatch(/^Invalid greeting. response= \[2Jxxx/)
  expect(words.length).toBeLessThanOrEqual(500)
})
