/** `sluice bounce` and `sluice delete`: mail that shall not be delivered, with word to its sender or without. */
import type { Command } from '../command.ts'
import { taskVerb } from '../verbs/task-verb.ts'

const NOTE = `A delivery-agent does it, within moments and also while the destination is held or suspended; until then \`sluice show\` tells of
the mark. What is in hand at this moment is finished first, and given up only if it would be tried again.`

export const bounce: Command = taskVerb({
  name: 'bounce',
  summary: 'give messages up, and tell their senders',
  usage: '',
  text: `The sender of each message gets a failure notice that says that the postmaster gave it up, with the text of --why and the last
conversation. ${NOTE}`,
  states: ['due', 'in-hand', 'later', 'parked', 'held'],
  isFinal: true,
  key: 'bounced',
  done: (count) => `${count} marked to be bounced`,
})

export const remove: Command = taskVerb({
  name: 'delete',
  summary: 'drop messages, and tell nobody but the audit',
  usage: '',
  text: `Nobody is told: think of \`sluice bounce\` first. \`sluice show ID\` tells what became of it as long as history.keep says.
${NOTE}`,
  states: ['due', 'in-hand', 'later', 'parked', 'held'],
  isFinal: true,
  key: 'deleted',
  done: (count) => `${count} marked to be deleted`,
})
