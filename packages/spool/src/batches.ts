/**
 * Group commit without a timer, for calls of many: what is asked while two batches are under way goes together, once all of one
 * is answered. Redis handles a batch in one turn of its event loop, with one sync of its append-only file; asked one by one, each
 * would cost a sync. Alone a call goes at once.
 */

const MOST = 200
/** Under way at once: Redis works on one while the other's answers are read. */
const MOST_BATCHES = 2

export type Batches = <T>(call: () => Promise<T>) => Promise<T>

export const createBatches = (): Batches => {
  const waiting: (() => Promise<unknown>)[] = []
  let underWay = 0
  const start = (calls: (() => Promise<unknown>)[]): void => {
    if (calls.length === 0) return
    underWay++
    let left = calls.length
    const answered = (): void => {
      left--
      if (left > 0) return
      underWay--
      start(waiting.splice(0, MOST))
    }
    for (const call of calls) call().then(answered, answered)
  }
  return (call) =>
    new Promise((resolve, reject) => {
      const run = (): Promise<unknown> => call().then(resolve, reject)
      if (underWay >= MOST_BATCHES) waiting.push(run)
      else start([run])
    })
}
