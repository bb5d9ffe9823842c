import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startS3, type TestS3 } from '@sluice/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { s3OptionsFor } from '../test-support/s3-options.ts'
import { createCredentials } from './credentials.ts'
import { createHttp } from './http.ts'

const http = createHttp({ connectTimeoutMs: 2000, timeoutMs: 2000 }, null)
let server: TestS3
let folder: string
beforeAll(async () => {
  server = await startS3('moto')
  folder = await mkdtemp(join(tmpdir(), 'sluice-credentials-'))
}, 90_000)
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const credentials = (env: NodeJS.ProcessEnv, accessKeyFile: string | null = null, secretKeyFile: string | null = null) =>
  createCredentials(s3OptionsFor(server, { accessKeyFile, secretKeyFile }), 'us-east-1', http, env)

it('reads the files anew once the store has refused what they held', async () => {
  const [access, secret] = [join(folder, 'access'), join(folder, 'secret')]
  await writeFile(access, 'one\n')
  await writeFile(secret, 'first\n')
  const source = credentials({ AWS_ACCESS_KEY_ID: 'other', AWS_SECRET_ACCESS_KEY: 'other' }, access, secret)
  const first = await source.current()
  expect(first).toMatchObject({ accessKeyId: 'one', secretAccessKey: 'first' })
  await writeFile(secret, 'second')
  expect(await source.current()).toBe(first)
  source.refused(first)
  expect(await source.current()).toMatchObject({ accessKeyId: 'one', secretAccessKey: 'second' })
})

it('takes the keys of the environment, with their session', async () => {
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', AWS_SESSION_TOKEN: 'token' }
  expect(await credentials(env).current()).toMatchObject({ accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' })
})

it('exchanges a web identity for keys that expire, once for all who ask at once', async () => {
  const file = join(folder, 'token')
  await writeFile(file, 'header.claims.signature')
  const env = {
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/sluice',
    AWS_WEB_IDENTITY_TOKEN_FILE: file,
    AWS_ENDPOINT_URL_STS: server.endpoint,
  }
  const source = credentials(env)
  const [one, other] = await Promise.all([source.current(), source.current()])
  expect(one).toBe(other)
  expect(one.accessKeyId).toMatch(/^ASIA/)
  expect(one.sessionToken?.length).toBeGreaterThan(10)
  expect(one.goodUntil).toBeGreaterThan(Date.now())
  expect(one.goodUntil).toBeLessThan(Date.now() + 24 * 3_600_000)
})

it('asks a container’s agent with its token, and says what it answered when it gives none', async () => {
  let asked: IncomingHttpHeaders = {}
  let status = 200
  const Expiration = new Date(Date.now() + 3_600_000).toISOString()
  const agent = createServer((request, response) => {
    asked = request.headers
    response.writeHead(status).end(JSON.stringify({ AccessKeyId: 'id', SecretAccessKey: 'key', Token: 'session', Expiration }))
  }).listen(0, '127.0.0.1')
  await once(agent, 'listening')
  const file = join(folder, 'pod-token')
  await writeFile(file, 'pod identity')
  const env = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${(agent.address() as AddressInfo).port}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
  }
  expect(await credentials(env).current()).toMatchObject({ accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'session' })
  expect(asked.authorization).toBe('pod identity')
  status = 403
  await expect(credentials(env).current()).rejects.toThrow('gives no credentials: 403')
  agent.closeAllConnections()
  agent.close()
})

it('says so when there are none', async () => {
  await expect(credentials({ AWS_EC2_METADATA_DISABLED: 'true' }).current()).rejects.toThrow(
    /^there are no credentials: set \S+ and/,
  )
})
