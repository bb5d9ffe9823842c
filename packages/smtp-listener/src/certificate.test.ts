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

it('a key that comes after its certificate is seen, though it is the older file of the two', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-certificate-'))
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  const put = async (file: string, text: string, at: number): Promise<void> => {
    await writeFile(file, text)
    await utimes(file, at, at)
  }
  let now = 0
  let applied = ''
  await put(files.certFile, 'old', 1000)
  await put(files.keyFile, 'old', 1000)
  const look = await createCertificateWatch({
    files,
    now: () => now,
    apply: ({ cert, key }) => {
      applied = `${cert} ${key}`
    },
    onError: () => {},
  })
  await put(files.certFile, 'new', 3000)
  now = 10_000
  look()
  await vi.waitFor(() => expect(applied).toBe('new old'))
  await put(files.keyFile, 'new', 2000)
  now = 20_000
  look()
  await vi.waitFor(() => expect(applied).toBe('new new'))
  await rm(folder, { recursive: true })
})
