/** Figures of certificates speak of what clients are shown, not of what lies in the files. */
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMetrics } from '@sluice/runtime'
import { createCertificate } from '@sluice/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { declareCertificates } from './metrics.ts'
import { useIngress } from './test-support/harness.ts'

const { start } = useIngress()
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-figures-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('tell when the pair in use expires, and whether the files have come to hold none that can be used', async () => {
  const [first, second] = [await createCertificate(undefined, 2), await createCertificate(undefined, 30)]
  const tls = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') }
  await writeFile(tls.certFile, first.cert)
  await writeFile(tls.keyFile, first.key)
  const { ingress } = await start({ listener: { tls } })
  const registry = createMetrics('ingress', { processFigures: false })
  declareCertificates(registry, ingress.certificates)
  const figures = async () => {
    const text = await registry.metrics()
    const figureOf = (name: string) =>
      Number(new RegExp(`^sluice_ingress_certificate_${name}\\{.*\\} (\\S+)$`, 'm').exec(text)?.[1])
    return { expiry: figureOf('expiry_timestamp_seconds'), refused: figureOf('refused') }
  }
  const endOf = ({ cert }: { cert: string }): number => Date.parse(new X509Certificate(cert).validTo) / 1000
  expect(await figures()).toEqual({ expiry: endOf(first), refused: 0 })
  await writeFile(tls.certFile, second.cert)
  await expect.poll(figures, { timeout: 15_000 }).toEqual({ expiry: endOf(first), refused: 1 })
  await writeFile(tls.keyFile, second.key)
  await expect.poll(figures, { timeout: 15_000 }).toEqual({ expiry: endOf(second), refused: 0 })
})

it('of a listener without a certificate there are none', async () => {
  const { ingress } = await start()
  expect(ingress.certificates()).toEqual([])
})
