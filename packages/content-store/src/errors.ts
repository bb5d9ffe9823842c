/** What can go wrong with a message's bytes, told apart so that the caller can choose between 451, 452 and parking the task. */

/**
 * `full`: no room, on disk or in Redis. `unavailable`: the store does not answer, or answers an error.
 * `missing`: the content is not there. `short`: fewer or more bytes are there than were stored.
 */
export type ContentErrorCode = 'full' | 'unavailable' | 'missing' | 'short'

export class ContentError extends Error {
  override readonly name = 'ContentError'
  readonly code: ContentErrorCode
  constructor(code: ContentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const FULL = /ENOSPC|EDQUOT|EFBIG|\bOOM\b|no space left/i

const causes = (fault: unknown): string => {
  if (!(fault instanceof Error)) return String(fault)
  // A transaction that Redis gave up (EXECABORT) names its real cause only here.
  const previous = 'previousErrors' in fault && Array.isArray(fault.previousErrors) ? fault.previousErrors.map(String) : []
  const code = 'code' in fault ? String(fault.code) : ''
  return [code, fault.message, ...previous].filter((text) => text !== '').join('; ')
}

/** @param doing what was tried, as it reads after "cannot", e.g. `write content 01ABC` */
export const storeFailure = (doing: string, fault: unknown): ContentError => {
  if (fault instanceof ContentError) return fault
  const words = causes(fault)
  return new ContentError(FULL.test(words) ? 'full' : 'unavailable', `cannot ${doing}: ${words}`, { cause: fault })
}
