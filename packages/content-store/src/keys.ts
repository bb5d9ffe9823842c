/** The names of a content's keys in Redis. All begin with the lane's prefix, so that one script can remove them with the task. */

export const pieceKey = (lanePrefix: string, id: string, piece: number): string => `${lanePrefix}:content:${id}:${piece}`

export const pieceKeys = (lanePrefix: string, id: string, pieces: number): string[] =>
  Array.from({ length: pieces }, (_, piece) => pieceKey(lanePrefix, id, piece))

/** The gateway's ID, in its first lane: whose the contents are that lie elsewhere. */
export const ownerKey = (lanePrefix: string): string => `${lanePrefix}:owner`

/** Sorted set of the lane's contents that lie in pieces: id → ms since the epoch when last written, or last found needed. */
export const contentsKey = (lanePrefix: string): string => `${lanePrefix}:contents`
