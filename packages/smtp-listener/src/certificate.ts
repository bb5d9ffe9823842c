/**
 * Certificates from files, followed while the listener runs: a renewed one needs no restart. Files are looked at by their path every
 * two seconds, so that edited files, replaced ones and the swapped symlinks of a Kubernetes Secret are all seen. A new pair is taken
 * once it has stayed the same for a moment; one that cannot be used is told once, in words, and the last good one stays.
 */
import { readFile, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Log, pairProblems, parseCertificate } from '@sluice/runtime'

export type Certificate = { key: string; cert: string }
type Files = { certFile: string; keyFile: string }

const EVERY_MS = 2000
/** Who writes two files writes one after the other. */
const SETTLES_IN_MS = 300

export const readCertificate = async ({ certFile, keyFile }: Files): Promise<Certificate> => {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  return { cert, key }
}

/** Says whether one of them is another file than before: also an older one, put in its place. */
const stateOf = async ({ certFile, keyFile }: Files): Promise<string> => {
  const one = (file: string): Promise<string> =>
    stat(file).then(
      ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
      () => 'missing',
    )
  return (await Promise.all([one(certFile), one(keyFile)])).join()
}

export type CertificateWatch = {
  files: Files
  /** In use now. */
  certificate: Certificate
  apply: (certificate: Certificate) => void
  /** Names the listener. */
  log: Log
  everyMs?: number
}

/** Follows the files until the signal; nothing keeps the process alive for it. */
export const watchCertificate = async (watch: CertificateWatch, signal: AbortSignal): Promise<void> => {
  const { files, apply, log, everyMs = EVERY_MS } = watch
  const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal, ref: false }).catch(() => {})
  let { certificate } = watch
  let taken = ''

  const take = async (): Promise<void> => {
    const next = await readCertificate(files)
    if (next.cert === certificate.cert && next.key === certificate.key) return
    const problems = pairProblems(next, files)
    if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '))
    apply(next)
    certificate = next
    log.info('the certificate has changed and is used now', { until: parseCertificate(next.cert)?.validTo })
  }

  while (!signal.aborted) {
    const state = await stateOf(files)
    if (state !== taken) {
      await pause(SETTLES_IN_MS)
      if (!signal.aborted && state === (await stateOf(files))) {
        taken = state
        await take().catch((error: unknown) =>
          log.error('the changed certificate cannot be used; the last good one stays in use', { error }),
        )
      }
    }
    await pause(everyMs)
  }
}
