/** `sluice retry`: make what waits for a later attempt due now. */
import type { Command } from '../command.ts'
import { taskVerb } from '../verbs/task-verb.ts'

export const retry: Command = taskVerb({
  name: 'retry',
  summary: 'try again now: a message, a destination, a query, or all',
  usage: '',
  text: `Makes messages that wait for a later attempt, and parked ones, due now, and ends the pause of a site that is left alone. The
attempt counts like any other. What you hold or suspended stays so.`,
  states: ['later', 'parked'],
  key: 'due',
  done: (count, isOne) => `${count} ${isOne ? 'is' : 'are'} due now`,
})
