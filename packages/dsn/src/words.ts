/** What a notice says, in words: for each kind what happened, for each cause why and what the reader can do (R-causes). */
import type { Cause } from '@sluice/contracts'
import type { NoticeKind } from './types.ts'

export const SUBJECT: Record<NoticeKind, string> = {
  failed: 'Not delivered: your message to',
  delayed: 'Delayed: your message to',
  relayed: 'Passed on: your message to',
  delivered: 'Delivered: your message to',
}

export const OPENING: Record<NoticeKind, (whom: string) => string> = {
  failed: (whom) => `We are sorry: your message could not be delivered to ${whom} below. We have stopped trying.`,
  delayed: (whom) =>
    `Your message has not reached ${whom} below yet. You need not do anything: it is safe here, and we keep trying. ` +
    'If it cannot be delivered in the end, you will get another notice.',
  relayed: (whom) =>
    `You asked to hear when your message has arrived. For ${whom} below we have handed it on to a mail system that does not ` +
    'send such reports. It took the message; whether it reached the mailbox we cannot tell.',
  delivered: (whom) => `You asked to hear when your message has arrived. For ${whom} below it has: it lies in the mailbox.`,
}

export const CAUSE: Record<Cause, { why: string; advice: string }> = {
  'account-gone': {
    why: 'The account is gone: there is no mailbox under this address here any more.',
    advice: 'Sending the message again will not help. Please ask the person for the new address in some other way.',
  },
  refused: {
    why: 'The mail system of the other side refused the recipient, you as the sender, or the message. Its own words are below.',
    advice:
      'Please check the address for a slip of the pen. If it is right, the reply below tells what the other side objects to; ' +
      'the person you write to, or the postmaster there, can help with it. The same message sent again will most likely meet the same answer.',
  },
  unreachable: {
    why:
      'There is no route to the destination: its name, its address or the connection to it failed, or it did not take the mail ' +
      'in the time we try.',
    advice:
      'Please check the part of the address after the @. If it is right, the mail system there may be out of order; ' +
      'try again later, or reach the person in some other way.',
  },
  'given-up': {
    why: 'The postmaster of this mail system has taken your message out of the queue. The reason, where one was given, is above.',
    advice: 'Nobody tries it any more. If you think it should go out all the same, please write to the postmaster here.',
  },
}

/** Greedy wrapping at spaces; a word longer than the width stands alone. */
export const wrap = (text: string, indent = '', width = 76): string[] => {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(' ').filter((part) => part !== '')) {
    if (line.length > indent.length && line.length + 1 + word.length > width) {
      lines.push(line)
      line = indent
    }
    line += line.length > indent.length ? ` ${word}` : word
  }
  return [...lines, line]
}
