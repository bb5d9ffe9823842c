/** What a query means at this moment, gathered before anything is done: so a verb can say what it is about, and be asked back. */
import type { Selected } from '@sluice/spool'
import type { Io } from '../command.ts'
import { noDestination } from '../no-destination.ts'
import { formatDistance, formatTable } from '../table.ts'
import type { OpenSpool } from '../with-spool.ts'
import { countOf, createProgress } from './progress.ts'
import type { Asked } from './query.ts'

export type Collected = {
  byDestination: Map<string, string[]>
  count: number
  /** Some of them, to look at. */
  sample: Selected[]
}

const MOST_SHOWN = 10

/** What is wrong with names that were typed, in words. */
export const wrongNames = async (spool: OpenSpool, { names }: Asked): Promise<string[]> => {
  const destinations = await Promise.all(names.destinations.map((name) => noDestination(spool, name)))
  const ids = await Promise.all(
    names.ids.map(async (id) => ((await spool.trace(id)) === null ? `nothing is known of ${id}` : null)),
  )
  return [...destinations, ...ids].filter((each) => each !== null)
}

export const collect = async (spool: OpenSpool, asked: Asked, io: Io): Promise<Collected> => {
  const collected: Collected = { byDestination: new Map(), count: 0, sample: [] }
  const progress = createProgress(io)
  const seen = new Map<string, Set<string>>()
  let looked = 0
  for (const query of asked.queries) {
    const tasks = spool.selection.tasks(query, (count) => {
      looked = count
      progress(() => `looked at ${countOf(looked, 'message')}, ${collected.count.toLocaleString('en')} fit`)
    })
    for await (const some of tasks) {
      for (const task of some) {
        const known = seen.get(task.destination) ?? new Set()
        seen.set(task.destination, known)
        if (known.has(task.id)) continue
        known.add(task.id)
        collected.count++
        if (collected.sample.length < MOST_SHOWN) collected.sample.push(task)
      }
    }
  }
  for (const [destination, ids] of seen) collected.byDestination.set(destination, [...ids])
  return collected
}

/** For `--dry-run`: how many, where, and some of them. */
export const describe = async ({ trace }: OpenSpool, collected: Collected, now: number): Promise<string> => {
  if (collected.count === 0) return 'no message fits\n'
  const places = [...collected.byDestination].sort((a, b) => b[1].length - a[1].length)
  const shown = places.slice(0, MOST_SHOWN).map(([name, ids]) => [name, ids.length])
  const rest = places.length - shown.length
  const rows = await Promise.all(
    collected.sample.map(async ({ id, destination, state }) => {
      const task = (await trace(id))?.tasks.find((each) => each.destination === destination)?.task
      const age = task === null || task === undefined ? '' : formatDistance(task.receivedAt, now)
      return [id, destination, state, `<${task?.from ?? '?'}>`, task?.to.map(({ address }) => address).join(', ') ?? '', age]
    }),
  )
  const heading = `${countOf(collected.count, 'message')} in ${countOf(places.length, 'destination')}:\n`
  const more = rest > 0 ? `and ${countOf(rest, 'further destination')}\n` : ''
  const sample = formatTable(['ID', 'DESTINATION', 'STATE', 'SENDER', 'RECIPIENTS', 'RECEIVED'], rows)
  return `${heading}${formatTable(['DESTINATION', 'MESSAGES'], shown)}${more}\nSome of them:\n${sample}`
}
