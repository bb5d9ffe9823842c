/** Certificates from files, read again when the files change: a renewed certificate needs no restart. */
import { readFile, stat } from 'node:fs/promises'

export type Certificate = { key: string; cert: string }
type Files = { certFile: string; keyFile: string }

/** Files are looked at no more often than this. */
const CHECK_EVERY_MS = 10_000

export const readCertificate = async ({ certFile, keyFile }: Files): Promise<Certificate> => {
  const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  return { cert, key }
}

/** Says whether one of them is another file than before: also an older one, put in its place. */
const stateOf = async ({ certFile, keyFile }: Files): Promise<string> =>
  (await Promise.all([stat(certFile), stat(keyFile)])).map(({ ino, mtimeMs }) => `${ino} ${mtimeMs}`).join()

export type CertificateWatch = {
  files: Files
  now: () => number
  /** Takes the new certificate; may throw when key and certificate do not match, and is called again at the next change. */
  apply: (certificate: Certificate) => void
  onError: (error: unknown) => void
}

/** @returns a function to call at each connection: it looks whether the files have changed, at most every ten seconds, and never waits */
export const createCertificateWatch = async ({ files, now, apply, onError }: CertificateWatch): Promise<() => void> => {
  let known = await stateOf(files)
  let checkedAt = now()
  const check = async (): Promise<void> => {
    const state = await stateOf(files)
    if (state === known) return
    known = state
    apply(await readCertificate(files))
  }
  return () => {
    if (now() - checkedAt < CHECK_EVERY_MS) return
    checkedAt = now()
    check().catch(onError)
  }
}
