/** `sluice hold` and `sluice release`: a destination's mail, or chosen messages, wait until you say so. */
import { type Command, EXIT, type ExitCode } from '../command.ts'
import { audited } from '../verbs/audited.ts'
import { type TaskVerb, taskVerb } from '../verbs/task-verb.ts'
import type { OpenSpool } from '../with-spool.ts'

type Whole = NonNullable<TaskVerb['whole']>

/** Destinations as a whole, with mail that is still to come: those that are named, and those that fit a pattern. */
const whole =
  (verb: 'hold' | 'release'): Whole =>
  (spool, given, note) => {
    const { asked, values } = given
    if (!asked.isAboutDestinations || values['dry-run'] === true) return null
    return act(spool, verb, given, note)
  }

const act = async (
  spool: OpenSpool,
  verb: 'hold' | 'release',
  { asked, values, io }: Parameters<Whole>[1],
  note: Parameters<Whole>[2],
): Promise<ExitCode> => {
  const names = new Set(asked.names.destinations)
  for (const query of asked.queries) {
    for await (const found of spool.selection.destinations(query)) for (const { destination } of found) names.add(destination)
  }
  await audited(spool, note, async () => {
    let count = 0
    for (const name of names) {
      const changed = verb === 'hold' ? await spool.verbs.hold(name, note) : await spool.verbs.release(name)
      if (changed) count++
    }
    return count
  })
  const done = verb === 'hold' ? 'held' : 'released'
  const lines = [...names].map((each) => `${each}: ${done}\n`).join('')
  io.out(values.json ? `${JSON.stringify({ [done]: [...names] })}\n` : lines === '' ? 'no destination fits\n' : lines)
  return EXIT.ok
}

export const hold: Command = taskVerb({
  name: 'hold',
  summary: 'stop delivery to a destination, or of chosen messages; all is kept',
  usage: '',
  text: `Where destinations are all that is named, mail to them is still taken and kept, and none is delivered until \`sluice release\`: also
what is still to come. Any other query sets the messages that fit aside, one by one, and lets the rest flow. What is in hand is
finished first.`,
  states: ['due', 'in-hand', 'later'],
  key: 'held',
  done: (count, isOne) => `${count} ${isOne ? 'is' : 'are'} held`,
  whole: whole('hold'),
})

export const release: Command = taskVerb({
  name: 'release',
  summary: 'deliver what is held again',
  usage: '',
  text: `Ends a hold: of a destination when destinations are all that is named, else of the messages that fit and were held one by one
(\`sluice release --all --state held\` for all of them). What was held is due at once.`,
  states: ['held'],
  key: 'released',
  done: (count, isOne) => `${count} ${isOne ? 'is' : 'are'} released`,
  whole: whole('release'),
})
