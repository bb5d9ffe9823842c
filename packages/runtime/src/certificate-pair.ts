/** A certificate and its private key, PEM: do they hold what they should, and do they belong together? In words. */
import { createPrivateKey, X509Certificate } from 'node:crypto'

export type PairProblem = { file: 'certFile' | 'keyFile'; message: string }

const parse = <T>(make: () => T): T | Error => {
  try {
    return make()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** @returns the certificate, null when the text holds none */
export const parseCertificate = (text: string | Buffer): X509Certificate | null => {
  const found = parse(() => new X509Certificate(text))
  return found instanceof Error ? null : found
}

/** @param files their names, for the words @returns an empty list for a pair that can be used */
export const pairProblems = (
  texts: { cert: string; key: string },
  { certFile, keyFile }: { certFile: string; keyFile: string },
): PairProblem[] => {
  const cert = parse(() => new X509Certificate(texts.cert))
  const key = parse(() => createPrivateKey(texts.key))
  const found: PairProblem[] = []
  if (cert instanceof Error)
    found.push({ file: 'certFile', message: `expected a certificate, PEM; ${certFile} holds none (${cert.message})` })
  if (key instanceof Error)
    found.push({ file: 'keyFile', message: `expected a private key, PEM; ${keyFile} holds none (${key.message})` })
  if (!(cert instanceof Error) && !(key instanceof Error) && !cert.checkPrivateKey(key))
    found.push({ file: 'keyFile', message: `expected the key of ${certFile}; ${keyFile} belongs to another certificate` })
  return found
}
