import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startS3 } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCredentials } from './credentials.ts'
import { createHttp } from './http.ts'
import type { S3Options } from './options.ts'

const HOUR = 3_600_000
const MINUTE = 60_000
const ROLES = '/latest/meta-data/iam/security-credentials/'

/** A metadata service as AWS describes version 2: nothing without a token that a PUT gave out. What it was asked is written down. */
const startMetadata = async () => {
  const state = {
    role: 'mail gateway' as string | null,
    code: 'Success',
    lastsMs: 6 * HOUR,
    isSilent: false,
    served: 0,
    asked: [] as string[],
  }
  const tokens = new Set<string>()
  const answer = (request: IncomingMessage): [number, string] => {
    const { method, url, headers } = request
    if (method === 'PUT' && url === '/latest/api/token') {
      const seconds = Number(headers['x-aws-ec2-metadata-token-ttl-seconds'])
      if (!(seconds >= 1 && seconds <= 21_600)) return [400, '']
      tokens.add(`token-${tokens.size}`)
      return [200, [...tokens].at(-1) ?? '']
    }
    if (method !== 'GET' || !tokens.has(String(headers['x-aws-ec2-metadata-token']))) return [401, '']
    if (state.role === null) return [404, '']
    if (url === ROLES) return [200, `${state.role}\n`]
    if (url !== ROLES + encodeURIComponent(state.role)) return [404, '']
    if (state.code !== 'Success') return [200, JSON.stringify({ Code: state.code })]
    const Expiration = new Date(Date.now() + state.lastsMs).toISOString()
    const key = { AccessKeyId: `id-${state.served++}`, SecretAccessKey: 'key', Token: 'session', Expiration }
    return [200, JSON.stringify({ Code: 'Success', Type: 'AWS-HMAC', ...key })]
  }
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    state.asked.push(`${request.method} ${request.url}`)
    if (state.isSilent) return
    const [status, text] = answer(request)
    response.writeHead(status).end(text)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    state,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: (): void => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const OPTIONS: S3Options = {
  ...{ endpoint: null, region: null, bucket: 'mail', prefix: '', accessKeyFile: null, secretKeyFile: null, caFile: null },
  ...{ forcePathStyle: null, partBytes: 5 * 2 ** 20, uploads: 1, connectTimeoutMs: 30_000, timeoutMs: 30_000 },
}
/** The store's waits are long, so that those of the metadata service are seen to be its own. */
const http = createHttp(OPTIONS, null)

describe('the role of the EC2 instance', () => {
  let metadata: Awaited<ReturnType<typeof startMetadata>>
  beforeEach(async () => {
    metadata = await startMetadata()
  })
  afterEach(() => {
    metadata.stop()
    vi.useRealTimers()
  })
  const source = (more: NodeJS.ProcessEnv = {}) =>
    createCredentials(OPTIONS, 'us-east-1', http, { AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.endpoint, ...more })

  it('gives keys by IMDSv2, once for all who ask: a token, the role, its credentials', async () => {
    const instance = source()
    const [one, other] = await Promise.all([instance.current(), instance.current()])
    expect(one).toBe(other)
    expect(one).toMatchObject({ accessKeyId: 'id-0', secretAccessKey: 'key', sessionToken: 'session' })
    expect(metadata.state.asked).toEqual(['PUT /latest/api/token', `GET ${ROLES}`, `GET ${ROLES}mail%20gateway`])
  })

  it('gives new ones five minutes before they expire, not earlier, with a new token', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const start = Date.now()
    const instance = source()
    const first = await instance.current()
    vi.setSystemTime(start + 6 * HOUR - 6 * MINUTE)
    expect(await instance.current()).toBe(first)
    vi.setSystemTime(start + 6 * HOUR - 4 * MINUTE)
    expect(await instance.current()).toMatchObject({ accessKeyId: 'id-1' })
    expect(metadata.state.asked).toHaveLength(6)
  })

  it('is not asked again at each request by keys that are short of five minutes when they come', async () => {
    metadata.state.lastsMs = 4 * MINUTE
    const instance = source()
    expect(await instance.current()).toBe(await instance.current())
  })

  it('is asked last: whatever the environment says goes before', async () => {
    const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' }
    expect(await source(keys).current()).toMatchObject({ accessKeyId: 'id' })
    await expect(source({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${metadata.endpoint}/agent` }).current()).rejects.toThrow('401')
    expect(metadata.state.asked).toEqual(['GET /agent'])
  })

  it('is not asked where AWS_EC2_METADATA_DISABLED says so', async () => {
    await expect(source({ AWS_EC2_METADATA_DISABLED: 'TRUE' }).current()).rejects.toThrow('there are no credentials')
    expect(metadata.state.asked).toEqual([])
  })

  it('is given up after a second of silence, with words that say what to set, and never asked by version 1', async () => {
    metadata.state.isSilent = true
    const startedAt = performance.now()
    await expect(source().current()).rejects.toThrow(/^there are no credentials: set .* was silent for 1000 ms$/)
    expect(performance.now() - startedAt).toBeLessThan(15_000)
    expect(metadata.state.asked).toEqual(['PUT /latest/api/token'])
  })

  it.each<[string, string | null, string, string]>([
    ['has no role', null, 'Success', '404'],
    ['may not take its role', 'mail', 'AssumeRoleUnauthorizedAccess', 'AssumeRoleUnauthorizedAccess'],
  ])('is a fault with its reason where the instance %s; the next request asks anew', async (_, role, code, words) => {
    Object.assign(metadata.state, { role, code })
    const instance = source()
    await expect(instance.current()).rejects.toThrow(words)
    Object.assign(metadata.state, { role: 'mail', code: 'Success' })
    expect(await instance.current()).toMatchObject({ accessKeyId: 'id-0' })
  })

  it('is read from a metadata service that nobody here wrote', async () => {
    const moto = await startS3('moto')
    try {
      const found = await source({ AWS_EC2_METADATA_SERVICE_ENDPOINT: moto.endpoint }).current()
      expect(found).toMatchObject({ accessKeyId: 'test-key', sessionToken: 'test-session-token' })
    } finally {
      await moto.stop()
    }
  }, 90_000)
})
