/**
 * Whose contents lie in a folder or a bucket. A gateway has an ID, made once in its Redis; the place of its contents has the same one
 * beside them. Only a place with our ID is swept: to an empty or a wrong Redis every content looks as if nobody needed it, and what
 * belongs to another Redis, or to one whose backup is still to come, must not be removed.
 *
 * A place without an ID gets ours when it is empty, or when mail of ours needs something there and nothing is left over. It is swept
 * from the next time on: when two gateways write their IDs at the same moment, one finds the other's then.
 */
import { randomUUID } from 'node:crypto'
import type { ContentRef } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { ownerKey } from './keys.ts'
import type { IsNeeded, OwnedPlace } from './place.ts'

/** A place that is not swept. `owner`: the ID that lies there, null: none. `gateway`: our own. */
export type NotOurs = { where: string; owner: string | null; gateway: string }

export type SweepOwnedOptions = {
  gateway: string
  /** ms since the epoch */
  before: number
  isNeeded: IsNeeded
  /** Whether new contents go there. */
  isInUse: boolean
  notOurs: (found: NotOurs) => void
}

/** Made by whoever asks first; the same for all afterwards, and in every backup of Redis. */
export const gatewayOf = async (redis: Pick<Redis | Cluster, 'get' | 'set'>, lanePrefix: string): Promise<string> => {
  const key = ownerKey(lanePrefix)
  const known = await redis.get(key)
  if (known !== null) return known
  const made = randomUUID()
  if ((await redis.set(key, made, 'NX')) !== null) return made
  return (await redis.get(key)) ?? made
}

/** `later`: nothing says whose it is, and nothing there is old enough for a sweep. */
const look = async <Ref extends ContentRef>(
  place: OwnedPlace<Ref>,
  { before, isNeeded, isInUse }: SweepOwnedOptions,
): Promise<'ours' | 'later' | 'strange'> => {
  let isEmpty = true
  let isAnyNeeded = false
  for await (const { id, ref, isOld } of place.contents(before)) {
    isEmpty = false
    if (await isNeeded(id, ref)) isAnyNeeded = true
    else if (isOld) return 'strange'
  }
  return isAnyNeeded || (isEmpty && isInUse) ? 'ours' : 'later'
}

/** @returns how many contents were removed */
export const sweepOwned = async <Ref extends ContentRef>(place: OwnedPlace<Ref>, options: SweepOwnedOptions): Promise<number> => {
  const { gateway, before, isNeeded } = options
  const owner = await place.owner()
  if (owner === gateway) return place.sweep(before, isNeeded)
  const whose = owner === null ? await look(place, options) : 'strange'
  if (whose === 'ours') await place.own(gateway)
  if (whose === 'strange') options.notOurs({ where: place.where, owner, gateway })
  return 0
}
