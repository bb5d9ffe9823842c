/**
 * Lanes: parts of the keyspace that one script can see. All keys of a destination carry its lane's prefix, whose braces make
 * Redis Cluster keep them on one shard. The number of lanes is fixed while the spool holds anything.
 */
import { crc32 } from 'node:zlib'
import { partsOf } from './destination.ts'

export const lanePrefix = (lane: number): string => `sluice{${String(lane).padStart(2, '0')}}`

/**
 * All classes of a hop lie in one lane: content is written to its lane before the header, and with it the class, is known.
 * @param name a destination, or the ID of a message with several
 */
export const laneOf = (name: string, lanes: number): number => (lanes === 1 ? 0 : crc32(partsOf(name).hop) % lanes)

/** The lane of a message's content: that of its destinations' one hop, so that one script handles both; the ID's where hops differ. */
export const homeLane = (destinations: readonly string[], id: string, lanes: number): number => {
  if (lanes === 1) return 0
  const hops = new Set(destinations.map((destination) => partsOf(destination).hop))
  const [only] = hops
  return laneOf(hops.size === 1 && only !== undefined ? only : id, lanes)
}

/** Sessions of one lane that an agent runs at once: its places are divided among the lanes, and each lane has one at least. */
export const placesInLane = (sessions: number, lanes: number): number => Math.max(1, Math.ceil(sessions / lanes))

/** What the spool's own keys are called, next to those of the destinations: a route of such a name would share them. */
export const SPOOL_NAMES: ReadonlySet<string> = new Set([
  'audit',
  'clock',
  'content',
  'contents',
  'delivery',
  'destinations',
  'due',
  'errands',
  'events',
  'gateway',
  'grant',
  'histories',
  'history',
  'holds',
  'intake',
  'lingering',
  'needs',
  'once',
  'owner',
  'parked',
  'permits',
  'sessions',
  'site',
  'wants',
])
