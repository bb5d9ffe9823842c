/** Certificates of listeners: can they be read, does the key belong to the certificate, and does it still hold? */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { WrittenConfig } from './schema.ts'
import type { Finding } from './shaping-checks.ts'

type Pair = { certFile: string; keyFile: string }

const read = (file: string): Promise<Buffer | null> => readFile(file).catch(() => null)

const parse = <T>(make: () => T): T | Error => {
  try {
    return make()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Findings of one pair; what cannot be read at all is told of elsewhere. */
const findingsOf = async ({ certFile, keyFile }: Pair, path: PropertyKey[]): Promise<Finding[]> => {
  const [certText, keyText] = await Promise.all([read(certFile), read(keyFile)])
  if (certText === null || keyText === null) return []
  const cert = parse(() => new X509Certificate(certText))
  const key = parse(() => createPrivateKey(keyText))
  const found: Finding[] = []
  if (cert instanceof Error)
    found.push({ path: [...path, 'certFile'], message: `expected a certificate, PEM; ${certFile} holds none (${cert.message})` })
  if (key instanceof Error)
    found.push({ path: [...path, 'keyFile'], message: `expected a private key, PEM; ${keyFile} holds none (${key.message})` })
  if (!(cert instanceof Error) && !(key instanceof Error) && !cert.checkPrivateKey(key))
    found.push({
      path: [...path, 'keyFile'],
      message: `expected the key of ${certFile}; ${keyFile} belongs to another certificate`,
    })
  return found
}

const pairsOf = ({ listeners }: WrittenConfig, baseDir: string): { pair: Pair; i: number; name: string }[] =>
  listeners.flatMap(({ name, tls }, i) =>
    tls === null ? [] : [{ pair: { certFile: resolve(baseDir, tls.certFile), keyFile: resolve(baseDir, tls.keyFile) }, i, name }],
  )

/** @param baseDir files are named relative to it */
export const certificateFindings = async (config: WrittenConfig, baseDir: string): Promise<Finding[]> =>
  (await Promise.all(pairsOf(config, baseDir).map(({ pair, i }) => findingsOf(pair, ['listeners', i, 'tls'])))).flat()

/** @param now ms since the epoch @returns which certificates have run out, in words */
export const certificateWarnings = async (config: WrittenConfig, baseDir: string, now: number): Promise<string[]> => {
  const told = await Promise.all(
    pairsOf(config, baseDir).map(async ({ pair, name }) => {
      const text = await read(pair.certFile)
      const cert = text === null ? null : parse(() => new X509Certificate(text))
      if (cert === null || cert instanceof Error || cert.validToDate.getTime() > now) return []
      return [`listeners: the certificate of ${name} has run out (${cert.validTo}); clients that look will not send`]
    }),
  )
  return told.flat()
}
