/**
 * The third part: the message that the notice is about, whole or its header (RFC 3461 §4.3, §5.3; RFC 6522 §3). Whole only in a
 * failure notice, at most `maxContentBytes`, and only when it fits into seven bits or may be encoded: a notice must pass any host.
 */
import { headerFields, splitContent } from '@sluice/smtp'
import { type Encoded, encodeBytes, isSevenBit, quotedPrintable } from './encoding.ts'
import { toSevenBit } from './seven-bit.ts'
import { isGlobal } from './status-part.ts'
import type { NoticeInput } from './types.ts'

/** Whether buildNotice can use the whole content; otherwise the header is enough, and large content need not be read. */
export const wantsContent = (input: Pick<NoticeInput, 'kind' | 'envelope' | 'maxContentBytes'>): boolean =>
  input.kind === 'failed' && input.envelope.ret !== 'HDRS' && input.envelope.sizeBytes <= input.maxContentBytes

/** Whole fields up to the limit: a header can be as large as the message. */
const boundedHeader = (content: Buffer, maxBytes: number): Buffer => {
  const { header } = splitContent(content)
  let end = 0
  for (const field of headerFields(header)) {
    if (field.end > maxBytes) break
    end = field.end
  }
  return header.subarray(0, end)
}

type ReturnedPart = { type: string; encoded: Encoded }

const wholeMessage = (input: NoticeInput): ReturnedPart | null => {
  const { content } = input
  if (!input.isWhole || !wantsContent(input) || content.length > input.maxContentBytes) return null
  if (isGlobal(input)) return { type: 'message/global', encoded: encodeBytes(content) }
  const sevenBit = isSevenBit(content) ? content : toSevenBit(content)
  return sevenBit === null ? null : { type: 'message/rfc822', encoded: { encoding: '7bit', text: sevenBit.toString('latin1') } }
}

export const returnedPart = (input: NoticeInput): ReturnedPart => {
  const whole = wholeMessage(input)
  if (whole !== null) return whole
  const header = boundedHeader(input.content, input.maxContentBytes)
  if (isGlobal(input)) return { type: 'message/global-headers', encoded: encodeBytes(header) }
  const encoded: Encoded = isSevenBit(header)
    ? { encoding: '7bit', text: header.toString('latin1') }
    : { encoding: 'quoted-printable', text: quotedPrintable(header) }
  return { type: 'text/rfc822-headers', encoded }
}
