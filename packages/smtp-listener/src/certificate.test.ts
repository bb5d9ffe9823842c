import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { type Certificate, createCertificateWatch } from './certificate.ts'

it('a renewed certificate is taken at the next connection, without a look at the files before ten seconds are over', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-certificate-'))
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  const put = async (text: string, at: number): Promise<void> => {
    for (const file of Object.values(files)) {
      await writeFile(file, text)
      await utimes(file, at, at)
    }
  }
  const applied: Certificate[] = []
  const errors: unknown[] = []
  let now = 0
  await put('old', 1000)
  const look = await createCertificateWatch({
    files,
    now: () => now,
    apply: (certificate) => void applied.push(certificate),
    onError: (error) => void errors.push(error),
  })
  await put('new', 2000)
  now = 9_999
  look()
  now = 10_000
  look()
  await vi.waitFor(() => expect(applied).toEqual([{ cert: 'new', key: 'new' }]))
  await rm(folder, { recursive: true })
  now = 20_000
  look()
  await vi.waitFor(() => expect(errors.length).toBe(1))
  expect(applied.length).toBe(1)
})
