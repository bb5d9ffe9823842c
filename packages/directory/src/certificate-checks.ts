/** Certificates of listeners: can they be read, does the key belong to the certificate, and does it still hold? */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pairProblems, parseCertificate } from '@sluice/runtime'
import type { WrittenConfig } from './schema.ts'
import type { Finding } from './shaping-checks.ts'

type Pair = { certFile: string; keyFile: string }

const read = (file: string): Promise<string | null> => readFile(file, 'utf8').catch(() => null)

/** Findings of one pair; what cannot be read at all is told of elsewhere. */
const findingsOf = async (pair: Pair, path: PropertyKey[]): Promise<Finding[]> => {
  const [cert, key] = await Promise.all([read(pair.certFile), read(pair.keyFile)])
  if (cert === null || key === null) return []
  return pairProblems({ cert, key }, pair).map(({ file, message }) => ({ path: [...path, file], message }))
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
      const cert = parseCertificate((await read(pair.certFile)) ?? '')
      if (cert === null || cert.validToDate.getTime() > now) return []
      return [`listeners: the certificate of ${name} has run out (${cert.validTo}); clients that look will not send`]
    }),
  )
  return told.flat()
}
