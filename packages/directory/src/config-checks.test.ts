/** Slips in a config that would show only while it runs: names, ports, certificates, times that cannot be waited for. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '@sluice/runtime'
import { createCertificate } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { loadConfig } from './load-config.ts'
import { loadText, withFile } from './test-config.ts'

const wordsOf = (error: unknown): string => {
  if (!(error instanceof ConfigError)) throw error
  return error.message.replace(/^.*sluice\.yaml:/gm, '')
}

const problemsOf = (text: string): Promise<string> =>
  loadText(text).then(
    () => '',
    (error: unknown) => wordsOf(error),
  )

const LISTENER = 'listeners: [{ name: smtp, listen: 127.0.0.1:2525 }]\n'

describe('the hostname', () => {
  it.each(['"mx sluice.test"', '"mx_1.sluice.test"', '"-mx.test"', '"[192.0.2.1]"', '"mx..test"', '192.0.2.1'])(
    'is a domain name, not %s',
    async (name) => {
      expect(await problemsOf(`hostname: ${name}\n`)).toMatch(/^1: hostname: expected a domain/)
    },
  )

  it('is kept as A-labels', async () => {
    expect((await loadText(`hostname: mx.müller.test\n${LISTENER}`)).hostname).toBe('mx.xn--mller-kva.test')
  })
})

describe('ports', () => {
  it.each([
    [
      'all addresses and one of them',
      'listeners:\n  - { name: a, listen: 2525 }\n  - { name: b, listen: 127.0.0.1:2525 }\n',
      /^3: listeners\[1\]\.listen: expected a port of its own: the listener a listens on 2525 already/,
    ],
    [
      'a listener and the figures of ingress',
      'listeners: [{ name: a, listen: 9101 }]\n',
      /http\.ports\.ingress: expected a port of its own: the listener a/,
    ],
    [
      'the mailbox and its figures',
      'mailbox: { listen: "127.0.0.1:9104" }\n',
      /http\.ports\.mailbox: expected a port of its own: the mailbox/,
    ],
  ])('of one service are its own: %s', async (_what, text, problem) => {
    expect(await problemsOf(text)).toMatch(problem)
  })

  it('of two services may be the same, but not on one machine', async () => {
    const { warnings } = await loadText(`hostname: a.b\n${LISTENER}http: { ports: { ingress: 9000, spooler: 9000 } }\n`)
    expect(warnings).toEqual([
      'http.ports.spooler: the figures of spooler and the figures of ingress share port 9000; they cannot run on one machine',
    ])
  })

  it('0 is any that is free, and one port may be used at two addresses', async () => {
    const text = 'hostname: a.b\nlisteners:\n  - { name: a, listen: 127.0.0.1:25 }\n  - { name: b, listen: 127.0.0.2:25 }\n'
    expect(
      (await loadText(`${text}http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }\n`)).warnings,
    ).toEqual([])
  })
})

describe('listeners', () => {
  it('none at all is a warning', async () => {
    expect((await loadText('hostname: a.b\n')).warnings).toEqual(['listeners: there are none; no mail can come in by SMTP'])
  })

  const secured = (cert: string, key: string): string =>
    `hostname: a.b\nlisteners:\n  - name: smtp\n    listen: 127.0.0.1:2525\n    tls:\n      certFile: ${cert}\n      keyFile: ${key}\n`

  const problemsWith = (text: string, files: Record<string, string>): Promise<string> =>
    withFile(text, async (file, folder) => {
      for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
      return loadConfig(file, {}).then(
        () => '',
        (error: unknown) => wordsOf(error),
      )
    })

  it('balancers that may be anybody are worth a warning: who says whose connection it is could claim any address', async () => {
    const listener = (trusted: string): string => `listeners: [{ name: smtp, listen: 2525, proxy: { trusted: [${trusted}] } }]\n`
    const broad = (await loadText(listener('"0.0.0.0/0"'))).warnings.filter((one) => one.includes('claim any address'))
    expect(broad).toEqual([expect.stringContaining('listeners: proxy.trusted of smtp holds the Internet')])
    expect((await loadText(listener('10.0.3.0/24'))).warnings.join()).not.toContain('claim any address')
    await expect(loadText(listener(''))).rejects.toThrow(/proxy\.trusted: expected at least 1 entries/)
  })

  it('a key that belongs to another certificate is an error, as is a file that holds none', async () => {
    const [one, two] = [await createCertificate(), await createCertificate()]
    const files = { 'one.crt': one.cert, 'one.key': one.key, 'two.key': two.key, 'no.pem': 'nothing\n' }
    expect(await problemsWith(secured('one.crt', 'one.key'), files)).toBe('')
    expect(await problemsWith(secured('one.crt', 'two.key'), files)).toMatch(
      /^7: listeners\[0\]\.tls\.keyFile: expected the key of .*one\.crt/,
    )
    expect(await problemsWith(secured('no.pem', 'one.key'), files)).toMatch(
      /^6: listeners\[0\]\.tls\.certFile: expected a certificate, PEM/,
    )
    expect(await problemsWith(secured('one.crt', 'no.pem'), files)).toMatch(
      /^7: listeners\[0\]\.tls\.keyFile: expected a private key, PEM/,
    )
  })
})

describe('times', () => {
  it.each([
    'limits: { idle: 25d }',
    'limits: { session: 600h }',
    'delivery: { timeouts: { dot: 30d } }',
    'delivery: { idleConnection: 25d }',
    'resolver: { timeout: 25d }',
    'shutdownGrace: 25d',
  ])('that no timer can wait for are an error: %s', async (text) => {
    expect(await problemsOf(`${text}\n`)).toContain('expected at most 24d')
  })

  it('that are only compared may be longer', async () => {
    const config = await loadText('history: { keep: 60d }\ndelayNotice: 30d\nschedules: { slow: { delays: [30d] } }\n')
    expect(config.history.keepMs).toBe(60 * 86_400_000)
  })
})

describe('the hash of a password', () => {
  it.each(['$scrypt$', '$scrypt$ln=99,r=8,p=1$c2FsdA$aGFzaA', '$2b$10$abc'])(
    'is refused when it can never match: %s',
    async (hash) => {
      const text = `domains: [{ name: a.b, route: local }]\naccounts:\n  - { address: x@a.b, passwordHash: "${hash}" }\n`
      expect(await problemsOf(text)).toMatch(/^3: accounts\[0\]\.passwordHash: expected a scrypt hash/)
    },
  )
})

describe('content in a bucket', () => {
  it.each([
    ['content: { store: s3 }', /^1: content\.store: expected content\.s3 with a bucket/],
    ['content: { s3: { region: eu-central-1 } }', /content\.s3\.bucket/],
    ['content: { s3: { bucket: mail, partSize: 1MiB } }', /content\.s3\.partSize: expected 5MiB to 1GiB/],
    ['content: { s3: { bucket: mail, prefix: ../other } }', /content\.s3\.prefix: expected letters/],
    ['content: { s3: { bucket: mail, endpoint: minio:9000 } }', /content\.s3\.endpoint: expected https/],
    ['content: { s3: { bucket: mail, accessKeyFile: /nowhere/key } }', /expected accessKeyFile and secretKeyFile, or neither/],
    ['content: { s3: { bucket: mail, caFile: /nowhere/ca } }', /content\.s3\.caFile: expected a file that can be read/],
  ])('%s is an error', async (text, problem) => {
    expect(await problemsOf(`${text}\n`)).toMatch(problem)
  })

  it('has its defaults, and a prefix ends in a slash', async () => {
    const { content } = await loadText('content: { store: s3, s3: { bucket: mail, prefix: gateway-1 } }\n')
    expect(content).toMatchObject({ store: 's3', s3: { prefix: 'gateway-1/', partBytes: 5 * 2 ** 20, endpoint: null } })
  })
})
