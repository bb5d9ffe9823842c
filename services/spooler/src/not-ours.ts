/** Tells of folders and buckets that are not swept, because their contents may be another gateway's: once, until it has changed. */
import type { NotOurs } from '@sluice/content-store'
import type { Log } from '@sluice/runtime'

const NO_ID =
  'old contents are not removed: no ID of a gateway lies with them, and mail in this Redis does not need all of them. If they are this gateway’s, write its ID there (docs/operations.md)'
const ANOTHER_ID =
  'old contents are not removed: the ID of another gateway lies with them, or this Redis is empty or the wrong one. If they are this gateway’s all the same, write its ID there (docs/operations.md)'

/** @param count how many places are not swept; told after each sweep */
export const createNotOurs = (log: Log, count: (places: number) => void): ((found: NotOurs[]) => void) => {
  let told = new Set<string>()
  return (found) => {
    const now = new Set<string>()
    for (const { where, owner, gateway } of found) {
      const what = [where, owner, gateway].join(' ')
      if (!told.has(what)) log.warn(owner === null ? NO_ID : ANOTHER_ID, { where, found: owner, gateway })
      now.add(what)
    }
    told = now
    count(now.size)
  }
}
