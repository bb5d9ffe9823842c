/**
 * Certificates from files, followed while the listener runs: a renewed one needs no restart. Files are looked at by their path every
 * two seconds, so that edited files, replaced ones and the swapped symlinks of a Kubernetes Secret are all seen. A new pair is taken
 * once it has stayed the same for a moment; one that cannot be used is told once, in words, and the last good one stays. It is tried
 * again by itself, as what kept it from being read may pass without a trace in the files.
 */
import { readFile, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Log, pairProblems, parseCertificate } from '@sluice/runtime'

export type Certificate = { key: string; cert: string }
type Files = { certFile: string; keyFile: string }

const EVERY_MS = 2000
/** Who writes two files writes one after the other. */
const SETTLES_IN_MS = 300
/** Looks between two tries of files that could not be used. */
const RETRIED_EVERY = 5

export const readCertificate = async ({ certFile, keyFile }: Files): Promise<Certificate> => {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  return { cert, key }
}

/** Says whether one of them is another file than before, also an older one put in its place, or may be read by others than before. */
const stateOf = async ({ certFile, keyFile }: Files): Promise<string> => {
  const one = (file: string): Promise<string> =>
    stat(file).then(
      ({ ino, size, mtimeMs, ctimeMs }) => `${ino} ${size} ${mtimeMs} ${ctimeMs}`,
      () => 'missing',
    )
  return (await Promise.all([one(certFile), one(keyFile)])).join()
}

export type WatchOptions = {
  files: Files
  /** In use now. */
  certificate: Certificate
  apply: (certificate: Certificate) => void
  /** Names the listener. */
  log: Log
  everyMs?: number
  read?: (files: Files) => Promise<Certificate>
}

export type CertificateWatch = {
  inUse: () => Certificate
  /** Whether the files hold no pair that can be used: who starts anew would end at once. */
  isRefused: () => boolean
  /** Resolves behind the signal. */
  ended: Promise<void>
}

/** Follows the files until the signal; nothing keeps the process alive for it. */
export const watchCertificate = (options: WatchOptions, signal: AbortSignal): CertificateWatch => {
  const { files, apply, log, everyMs = EVERY_MS, read = readCertificate } = options
  const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal, ref: false }).catch(() => {})
  let { certificate } = options
  let refused = false
  /** What was said last of files that cannot be used. */
  let told = ''

  const take = async (): Promise<void> => {
    const next = await read(files)
    if (next.cert === certificate.cert && next.key === certificate.key) return
    const problems = pairProblems(next, files)
    if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '))
    apply(next)
    certificate = next
    log.info('the certificate has changed and is used now', { until: parseCertificate(next.cert)?.validTo })
  }

  const tryToTake = async (): Promise<void> => {
    try {
      await take()
      refused = false
    } catch (error) {
      if (String(error) !== told) log.error('the changed certificate cannot be used; the last good one stays in use', { error })
      told = String(error)
      refused = true
    }
  }

  const watch = async (): Promise<void> => {
    let tried = ''
    for (let looks = 1; !signal.aborted; looks++) {
      const state = await stateOf(files)
      if (state !== tried) {
        await pause(SETTLES_IN_MS)
        if (!signal.aborted && state === (await stateOf(files))) {
          tried = state
          told = ''
          looks = 0
          await tryToTake()
        }
      } else if (refused && looks % RETRIED_EVERY === 0) await tryToTake()
      await pause(everyMs)
    }
  }
  return { inUse: () => certificate, isRefused: () => refused, ended: watch() }
}
