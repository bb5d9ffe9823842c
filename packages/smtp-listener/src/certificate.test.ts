import { chmod, mkdir, mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, type Log } from '@sluice/runtime'
import { createCertificate, type TestCertificate } from '@sluice/testkit'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Certificate, readCertificate, watchCertificate } from './certificate.ts'

let first: TestCertificate
let second: TestCertificate
beforeAll(async () => {
  first = await createCertificate()
  second = await createCertificate()
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})
const WAIT = { timeout: 10_000, interval: 20 }

/** Watches a pair of files that `prepare` made in a folder of its own. */
const watched = async (
  prepare: (folder: string) => Promise<{ certFile: string; keyFile: string }>,
  read: typeof readCertificate = readCertificate,
) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-certificate-'))
  cleanups.push(() => rm(folder, { recursive: true }))
  const files = await prepare(folder)
  const applied: Certificate[] = []
  const told: string[] = []
  const log: Log = {
    ...createLogger({ level: 'error', service: 'test' }),
    info: (text) => void told.push(text),
    error: (text, fields) => void told.push(`${text}: ${String(fields?.error)}`),
  }
  const abort = new AbortController()
  const certificate = await readCertificate(files)
  const apply = (next: Certificate) => void applied.push(next)
  const { ended, inUse, isRefused } = watchCertificate({ files, certificate, apply, log, everyMs: 20, read }, abort.signal)
  cleanups.push(async () => {
    abort.abort()
    await ended
  })
  return { folder, files, applied, told, inUse, isRefused }
}

const inFolder = async (folder: string, { cert, key }: Certificate) => {
  const files = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') }
  await writeFile(files.certFile, cert)
  await writeFile(files.keyFile, key)
  return files
}

describe('a followed certificate', () => {
  it('is taken when both files are there, however long the second one takes', async () => {
    const { files, applied, told, inUse, isRefused } = await watched((folder) => inFolder(folder, first))
    await writeFile(files.certFile, second.cert)
    await vi.waitFor(() => expect(told).toHaveLength(1), WAIT)
    expect([isRefused(), inUse().cert]).toEqual([true, first.cert])
    expect(told[0]).toMatch(
      /^the changed certificate cannot be used; the last good one stays in use: .*belongs to another certificate/,
    )
    expect(applied).toEqual([])
    await writeFile(files.keyFile, second.key)
    await vi.waitFor(() => expect(applied).toEqual([{ cert: second.cert, key: second.key }]), WAIT)
    expect(told.at(-1)).toBe('the certificate has changed and is used now')
    await vi.waitFor(() => expect([isRefused(), inUse().cert]).toEqual([false, second.cert]), WAIT)
  })

  it('is seen through the swapped symlink of a Kubernetes Secret, and nothing is told of half a swap', async () => {
    const { folder, applied, told } = await watched(async (at) => {
      await mkdir(join(at, '..2026_1'))
      await inFolder(join(at, '..2026_1'), first)
      await symlink('..2026_1', join(at, '..data'))
      const files = { certFile: join(at, 'tls.crt'), keyFile: join(at, 'tls.key') }
      await symlink('..data/tls.crt', files.certFile)
      await symlink('..data/tls.key', files.keyFile)
      return files
    })
    await mkdir(join(folder, '..2026_2'))
    await inFolder(join(folder, '..2026_2'), second)
    await symlink('..2026_2', join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await rm(join(folder, '..2026_1'), { recursive: true })
    await vi.waitFor(() => expect(applied).toEqual([{ cert: second.cert, key: second.key }]), WAIT)
    expect(told).toEqual(['the certificate has changed and is used now'])
  })

  it('that is gone, or holds none, leaves the last one in use, is told once, and is taken when it is back', async () => {
    const { files, applied, told } = await watched((folder) => inFolder(folder, first))
    await rm(files.keyFile)
    await vi.waitFor(() => expect(told).toHaveLength(1), WAIT)
    expect(told[0]).toMatch(/ENOENT/)
    await writeFile(files.keyFile, 'no key')
    await vi.waitFor(() => expect(told).toHaveLength(2), WAIT)
    expect(told[1]).toMatch(/tls\.key holds none/)
    // The same as before: nothing to take.
    await writeFile(files.keyFile, first.key)
    await inFolder(join(files.certFile, '..'), second)
    await vi.waitFor(() => expect(applied).toEqual([{ cert: second.cert, key: second.key }]), WAIT)
    expect(told).toHaveLength(3)
  })

  /** Reads as the kernel lets a user other than the files' owner, which tests that run as root are not. */
  const readAsOther = async (files: Parameters<typeof readCertificate>[0]): Promise<Certificate> => {
    const { mode } = await stat(files.keyFile)
    if ((mode & 0o004) === 0) throw new Error(`EACCES: permission denied, open '${files.keyFile}'`)
    return readCertificate(files)
  }

  it('whose key may not be read at first is told once, and is taken once the key may be read', async () => {
    let tries = 0
    const { folder, files, applied, told, isRefused } = await watched(
      (at) => inFolder(at, first),
      (each) => readAsOther(each).finally(() => tries++),
    )
    await chmod(files.keyFile, 0o600)
    await inFolder(folder, second)
    await vi.waitFor(() => expect(isRefused()).toBe(true), WAIT)
    const severalTries = (from = tries) => vi.waitFor(() => expect(tries).toBeGreaterThan(from + 2), WAIT)
    await severalTries()
    const said = told.length
    await severalTries()
    expect([told.length, told.at(-1)]).toEqual([said, expect.stringMatching(/EACCES/)])
    await chmod(files.keyFile, 0o644)
    await vi.waitFor(() => expect(applied).toEqual([{ cert: second.cert, key: second.key }]), WAIT)
    await vi.waitFor(() => expect(isRefused()).toBe(false), WAIT)
  })

  it('that cannot be read for a reason that leaves no trace in its files is tried again', async () => {
    let failing = false
    const { folder, applied, told, isRefused } = await watched(
      (at) => inFolder(at, first),
      (each) => (failing ? Promise.reject(new Error('EMFILE: too many open files')) : readCertificate(each)),
    )
    failing = true
    await inFolder(folder, second)
    await vi.waitFor(() => expect(isRefused()).toBe(true), WAIT)
    failing = false
    await vi.waitFor(() => expect(applied).toEqual([{ cert: second.cert, key: second.key }]), WAIT)
    expect(told.slice(-2)).toEqual([expect.stringMatching(/EMFILE/), 'the certificate has changed and is used now'])
  })
})
