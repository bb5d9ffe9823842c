/**
 * Turns an 8-bit message into a 7-bit one (RFC 6152 §3) by encoding its leaves, so that a notice can carry it through any host.
 * What cannot be converted without harm (8-bit headers, signed parts, structure that does not parse) yields null.
 */
import { firstHeader, hasEightBit, removeHeaders, splitContent } from '@sluice/smtp'
import { isSevenBit, quotedPrintable } from './encoding.ts'

const MAX_DEPTH = 20
const UNENCODED: ReadonlySet<string> = new Set(['', '7bit', '8bit', 'binary'])

/** The header with another Content-Transfer-Encoding; its blank line included. */
const withEncoding = (header: Buffer, encoding: string): Buffer =>
  Buffer.concat([Buffer.from(`Content-Transfer-Encoding: ${encoding}\r\n`), removeHeaders(header, ['content-transfer-encoding'])])

const wrapBase64 = (bytes: Buffer): string => (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n')

const boundaryOf = (type: string): string | null => {
  const match = /;\s*boundary\s*=\s*(?:"([^"\\]{1,70})"|([^\s";]{1,70}))/i.exec(type)
  return match?.[1] ?? match?.[2] ?? null
}

type Span = { start: number; end: number }

/** The parts between delimiter lines, RFC 2046 §5.1.1, and where the epilogue begins; null without a closing delimiter. */
const findParts = (body: Buffer, boundary: string): { parts: Span[]; preambleEnd: number; epilogue: number } | null => {
  const delimiter = Buffer.from(`--${boundary}`)
  const parts: Span[] = []
  let start = -1
  let preambleEnd = -1
  for (let at = body.indexOf(delimiter); at !== -1; at = body.indexOf(delimiter, at + 1)) {
    if (at > 0 && body[at - 1] !== 0x0a) continue
    const lineEnd = body.indexOf('\r\n', at)
    const tail = body.toString('latin1', at + delimiter.length, lineEnd === -1 ? body.length : lineEnd).trimEnd()
    if (tail !== '' && tail !== '--') continue
    if (start === -1) preambleEnd = at
    else parts.push({ start, end: Math.max(start, at - 2) })
    if (tail === '--') return { parts, preambleEnd, epilogue: at }
    if (lineEnd === -1) return null
    start = lineEnd + 2
  }
  return null
}

const convertMultipart = (header: Buffer, body: Buffer, type: string, depth: number): Buffer | null => {
  const boundary = boundaryOf(type)
  const found = boundary === null ? null : findParts(body, boundary)
  if (found === null || !isSevenBit(body.subarray(0, found.preambleEnd)) || !isSevenBit(body.subarray(found.epilogue)))
    return null
  const pieces: Buffer[] = [withEncoding(header, '7bit')]
  let from = 0
  for (const { start, end } of found.parts) {
    const converted = convert(body.subarray(start, end), depth + 1)
    if (converted === null) return null
    pieces.push(body.subarray(from, start), converted)
    from = end
  }
  pieces.push(body.subarray(from))
  return Buffer.concat(pieces)
}

const convertLeaf = (header: Buffer, body: Buffer, isText: boolean): Buffer =>
  isText
    ? Buffer.concat([withEncoding(header, 'quoted-printable'), Buffer.from(quotedPrintable(body))])
    : Buffer.concat([withEncoding(header, 'base64'), Buffer.from(`${wrapBase64(body)}\r\n`)])

const convert = (entity: Buffer, depth: number): Buffer | null => {
  if (isSevenBit(entity)) return entity
  const { header, body } = splitContent(entity)
  if (depth > MAX_DEPTH || body.length === 0 || hasEightBit(header) || !isSevenBit(header)) return null
  const type = firstHeader(header, 'content-type') ?? 'text/plain'
  const kind = type.split(/[;\s]/, 1)[0]!.toLowerCase()
  const encoding = (firstHeader(header, 'content-transfer-encoding') ?? '').toLowerCase()
  if (!UNENCODED.has(encoding) || kind === 'multipart/signed') return null
  if (kind.startsWith('multipart/')) return convertMultipart(header, body, type, depth)
  if (kind === 'message/rfc822') {
    const inner = convert(body, depth + 1)
    return inner === null ? null : Buffer.concat([withEncoding(header, '7bit'), inner])
  }
  return kind.startsWith('message/') ? null : convertLeaf(header, body, kind.startsWith('text/'))
}

/** The message in seven bits, its text unchanged once decoded; null when that cannot be done. */
export const toSevenBit = (content: Buffer): Buffer | null => {
  const bare = firstHeader(splitContent(content).header, 'mime-version') === null
  const entity = convert(content, 0)
  const converted = bare && entity !== null ? Buffer.concat([Buffer.from('MIME-Version: 1.0\r\n'), entity]) : entity
  return converted !== null && isSevenBit(converted) ? converted : null
}
