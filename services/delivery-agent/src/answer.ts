/** What comes back for a command: a reply, null where it is none that anybody understands, or the end of the connection. */
import type { Reply } from '@sluice/contracts'

export type Answer = { kind: 'reply'; reply: Reply | null } | { kind: 'lost'; what: string }

export const hasCode = (answer: Answer | null, firstDigit: 2 | 3): boolean =>
  answer?.kind === 'reply' && answer.reply !== null && Math.floor(answer.reply.code / 100) === firstDigit
