/** How long a service's image takes from the call of the container runtime until it is ready, with a real Redis. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startRedis, until } from '@sluice/testkit'
import type { Builder } from './builder.ts'
import { runImage } from './container.ts'

const READY_WITHIN_MS = 30_000
const TRIES = 3

type Place = { folder: string; healthPort: number }

const writeConfig = async (service: string): Promise<Place> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-image-'))
  const [healthPort, smtpPort, lmtpPort] = [await freePort(), await freePort(), await freePort()]
  await mkdir(join(folder, 'config'))
  await mkdir(join(folder, 'data'))
  for (const name of ['', 'config', 'data']) await chmod(join(folder, name), 0o777)
  await writeFile(
    join(folder, 'config', 'sluice.yaml'),
    `hostname: mx.sluice.test
redis: { url: "\${SLUICE_TEST_REDIS}" }
listeners: [{ name: smtp, listen: 127.0.0.1:${smtpPort} }]
mailbox: { listen: 127.0.0.1:${lmtpPort} }
domains: [{ name: sluice.test, route: local }]
accounts: [{ address: me@sluice.test }]
routes: [{ name: local, type: local }]
http: { host: 127.0.0.1, ports: { ${service}: ${healthPort} } }
`,
  )
  return { folder, healthPort }
}

/** One start, ms from the call of the container runtime to the first yes on /readyz. It has to end in order, too. */
const startOnce = async (builder: Builder, reference: string, place: Place, redis: string): Promise<number> => {
  const mounts = [
    { source: join(place.folder, 'config'), destination: '/etc/sluice/config', readOnly: true },
    { source: join(place.folder, 'data'), destination: '/data', readOnly: false },
  ]
  const startedAt = performance.now()
  const running = await runImage({ builder, reference, env: { SLUICE_TEST_REDIS: redis }, mounts })
  const isReady = async (): Promise<boolean> => {
    if (running.child.exitCode !== null) return true
    return (await fetch(`http://127.0.0.1:${place.healthPort}/readyz`)).status === 200
  }
  try {
    await until('/readyz to say yes', isReady, READY_WITHIN_MS)
    if (running.child.exitCode !== null) throw new Error('it ended at once')
  } catch (error) {
    await running.close()
    throw new Error(`${reference}: ${String(error)}\n${running.output()}`)
  }
  const tookMs = performance.now() - startedAt
  await running.close()
  const code = await running.exited
  if (code !== 0) throw new Error(`SIGTERM ended it with ${code}, not 0:\n${running.output()}`)
  return tookMs
}

/** The best of three, in ms: a busy machine makes a start slower, never quicker. */
export const startTime = async (builder: Builder, reference: string, service: string): Promise<number> => {
  const redis = await startRedis()
  const place = await writeConfig(service)
  try {
    const times: number[] = []
    for (let n = 0; n < TRIES; n += 1) times.push(await startOnce(builder, reference, place, redis.url))
    return Math.min(...times)
  } finally {
    await redis.stop()
    await rm(place.folder, { recursive: true, force: true })
  }
}
