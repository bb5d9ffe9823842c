/** A notice taken apart by hand: what the notices that other software reads (notice-parsers.test.ts) say, part by part. */
import assert from 'node:assert'

/** Fields by name in lower case; folded lines are joined. */
export type Fields = Record<string, string>

export type Notice = {
  header: Fields
  /** Content types of the parts. */
  types: string[]
  text: string
  /** Of the message, then of each recipient. */
  status: Fields[]
  returned: string
}

const fieldsOf = (text: string): Fields =>
  Object.fromEntries(
    text
      .replace(/\r?\n[ \t]+/g, ' ')
      .split(/\r?\n/)
      .flatMap((line) => {
        const colon = line.indexOf(':')
        return colon < 1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]]
      }),
  )

const halves = (text: string): [string, string] => {
  const [head = '', ...rest] = text.split(/\r?\n\r?\n/)
  return [head, rest.join('\n\n').replaceAll('\r\n', '\n')]
}

const decode = (text: string, encoding: string | undefined): string => {
  if (encoding === 'base64') return Buffer.from(text, 'base64').toString().replaceAll('\r\n', '\n')
  if (encoding !== 'quoted-printable') return text
  const bytes = text
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}

/** @throws when it is no multipart/report with a boundary */
export const readNotice = (mail: string): Notice => {
  const [head, body] = halves(mail)
  const header = fieldsOf(head)
  const type = header['content-type'] ?? ''
  assert.match(type, /^multipart\/report; report-type=delivery-status; boundary="/, `no report:\n${mail}`)
  const boundary = /boundary="([^"]+)"/.exec(type)?.[1] ?? ''
  const parts = `\n${body}`.split(`\n--${boundary}`)
  assert.equal(parts.at(-1)?.startsWith('--'), true, 'the last part is not closed')
  const read = parts.slice(1, -1).map((part) => {
    const [partHead, partBody] = halves(part.replace(/^\n/, ''))
    const fields = fieldsOf(partHead)
    return { type: fields['content-type'] ?? '', body: decode(partBody, fields['content-transfer-encoding']) }
  })
  const [text, status, returned] = read
  return {
    header,
    types: read.map((part) => part.type),
    text: text?.body ?? '',
    status: (status?.body ?? '').trim().split(/\n\n/).map(fieldsOf),
    returned: returned?.body ?? '',
  }
}

/** Whom it tells of, with what: `reject@one.test failed 5.1.1`. */
export const told = (notice: Notice): string[] =>
  notice.status
    .slice(1)
    .map((fields) => `${fields['final-recipient']?.replace(/^rfc822; /, '')} ${fields.action} ${fields.status}`)
    .sort()
