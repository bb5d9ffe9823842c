/** What `helm test` runs in its pod, run here beside a gateway whose config has the test's domain and route as the chart writes them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { freePort } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { useSluice, useStarted } from './support/scene.ts'

const SCRIPT = join(import.meta.dirname, '..', 'charts', 'sluice', 'files', 'test-mail.mjs')
const DOMAIN = 'helm-test-a1b2.internal'

const ports = useStarted(async () => ({ sink: await freePort() }))

const sluice = useSluice(
  () => `
domains: [{ name: ${DOMAIN}, route: helm-test, recipients: any }]
routes: [{ name: helm-test, type: smtp, hosts: ["127.0.0.1:${ports.sink}"], tls: "off", schedule: helm-test }]
schedules: { helm-test: { delays: [2s, 3s, 5s] } }`,
)

const runTest = async (env: NodeJS.ProcessEnv): Promise<{ code: number | null; said: string }> => {
  const own = {
    INGRESS_HOST: '127.0.0.1',
    INGRESS_PORT: String(sluice.smtpPort),
    SINK_PORT: String(ports.sink),
    TEST_DOMAIN: DOMAIN,
    ...env,
  }
  const child = spawn(process.execPath, [SCRIPT], { env: { ...process.env, ...own } })
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code, said: `${out}${err}` }
}

describe('the test of the chart', () => {
  it('sees a mail arrive, and the notice of another one', async () => {
    const { code, said } = await runTest({ TIMEOUT_SECONDS: '60' })
    expect(said).toMatch(/ok: ingress took a mail: 250 .*\nok: it arrived .*\nok: ingress took .*\nok: its notice came back/)
    expect(code).toBe(0)
  })

  it('fails in words when the gateway does not know its domain', async () => {
    const { code, said } = await runTest({ TEST_DOMAIN: 'other.internal', TIMEOUT_SECONDS: '3' })
    expect(said).toMatch(/FAIL: ingress did not take the mail for arrives@other\.internal: 550 5\./)
    expect(code).toBe(1)
  })

  it('fails in words when the mail does not come to it', async () => {
    const { code, said } = await runTest({ SINK_PORT: String(await freePort()), TIMEOUT_SECONDS: '3' })
    expect(said).toMatch(/FAIL: the mail did not arrive within 3 s/)
    expect(code).toBe(1)
  })
})
