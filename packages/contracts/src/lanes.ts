/**
 * Lanes: parts of the keyspace that one script can see. All keys of a destination carry its lane's prefix, whose braces make
 * Redis Cluster keep them on one shard. The number of lanes is fixed while the spool holds anything.
 */
import { crc32 } from 'node:zlib'

export const lanePrefix = (lane: number): string => `sluice{${String(lane).padStart(2, '0')}}`

/** @param name a destination, or the ID of a message with several */
export const laneOf = (name: string, lanes: number): number => (lanes === 1 ? 0 : crc32(name) % lanes)

/** The lane of a message's content: its destination's, so that one script handles both; the ID's where there are several. */
export const homeLane = (destinations: readonly string[], id: string, lanes: number): number =>
  laneOf(destinations.length === 1 ? (destinations[0] ?? id) : id, lanes)

/** What the spool's own keys are called, next to those of the destinations: a route of such a name would share them. */
export const SPOOL_NAMES: ReadonlySet<string> = new Set([
  'content',
  'contents',
  'delivery',
  'destinations',
  'due',
  'events',
  'gateway',
  'grant',
  'histories',
  'history',
  'intake',
  'needs',
  'once',
  'parked',
  'permits',
  'sessions',
  'site',
  'wants',
])
