/** The content store `s3`: large content lies in the bucket, small content in Redis, and both arrive whole. */
import { createHash } from 'node:crypto'
import { startFarEnd, startS3, type TestS3 } from '@sluice/testkit'
import { submit } from '../../support/client.ts'
import { eventually } from '../../support/gateway.ts'
import { balancerAddress } from '../balancer.ts'
import type { Kube } from '../kube.ts'
import { passOn } from '../pass-on.ts'
import { removeRelease } from '../uninstall.ts'
import { gatewayValues } from '../values.ts'
import type { Theme } from '../world.ts'

const SECRET = 'bucket-keys'
const KEYS = { access: `/etc/sluice/secrets/${SECRET}/access-key`, secret: `/etc/sluice/secrets/${SECRET}/secret-key` }
const LARGE_BYTES = 12 * 1024 * 1024
const LINE = `${'0123456789abcdef'.repeat(4)}\r\n`
/** What Redis may need more meanwhile, connections included, when the content does not lie there. */
const MOST_IN_REDIS_BYTES = 3 * 1024 * 1024

const sha = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

const makeSecret = async (kube: Kube, s3: TestS3): Promise<void> => {
  await kube.cluster('create', 'namespace', kube.namespace)
  const files = [`--from-file=access-key=${s3.accessKeyFile}`, `--from-file=secret-key=${s3.secretKeyFile}`]
  await kube.kubectl('create', 'secret', 'generic', SECRET, ...files)
}

/** All but the ID of the gateway that they belong to. */
const contents = async (store: TestS3): Promise<string[]> => (await store.objects()).filter((name) => !name.endsWith('.gateway'))

const usedMemory = async (kube: Kube): Promise<number> => {
  const ask = 'REDISCLI_AUTH=$(cat /etc/sluice/redis/password) redis-cli info memory'
  const info = await kube.exec(`${kube.release}-redis-0`, 'sh', '-c', ask)
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1])
}

export const s3: Theme = async (world) => {
  const { steps, options } = world
  const kube = world.release('s3')
  const far = await startFarEnd({ host: world.host, replies: { mail: '451 4.3.0 later' } })
  const store = await startS3('s3rver')
  const way = await passOn(world.host, Number(new URL(store.endpoint).port))
  const bucket = { endpoint: `http://${world.host}:${way.port}`, bucket: store.bucket, prefix: 'mail/' }
  try {
    let host = ''
    const there = await steps.step('install with content.store s3', async () => {
      await makeSecret(kube, store)
      const content = { store: 's3', s3: { ...bucket, accessKeyFile: KEYS.access, secretKeyFile: KEYS.secret } }
      const withoutVolumes = { persistence: { enabled: false } }
      const more = { ...world.images('first'), config: { content }, redis: { bundled: withoutVolumes }, mailbox: withoutVolumes }
      await kube.install(gatewayValues({ client: world.host, far }, more))
      host = await balancerAddress(kube)
      return host
    })
    if (!there) return
    const body = LINE.repeat(Math.floor(LARGE_BYTES / LINE.length)).trimEnd()
    await steps.step('large content lies in the bucket', async () => {
      const before = await usedMemory(kube)
      await submit(25, { host, from: 'me@sluice.test', to: ['large@far.test'], subject: 'large', body })
      await submit(25, { host, from: 'me@sluice.test', to: ['small@far.test'], subject: 'small' })
      const objects = await contents(store)
      const grown = (await usedMemory(kube)) - before
      const text = `${objects.length} objects; Redis has grown by ${(grown / 1024).toFixed(0)} KiB for ${LARGE_BYTES / 1024} KiB`
      if (objects.length === 0 || grown > MOST_IN_REDIS_BYTES) throw new Error(text)
      return text
    })
    await steps.step('both arrive whole, and the bucket empties', async () => {
      far.set({ replies: {} })
      await far.received(2, 120_000)
      const large = far.messages.find(({ recipients }) => recipients[0]?.address === 'large@far.test')
      const text = large?.content.toString('latin1') ?? ''
      const arrived = text.slice(text.indexOf('\r\n\r\n') + 4).trimEnd()
      if (sha(arrived) !== sha(body)) throw new Error(`the content differs: ${arrived.length} bytes`)
      await eventually('an empty bucket', async () => (await contents(store)).length === 0, 60_000, 250)
    })
  } finally {
    await Promise.all([far.stop(), way.close()])
    await store.stop()
    if (!options.keep) await removeRelease(kube)
  }
}
