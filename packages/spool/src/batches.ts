/**
 * Group commit without a timer, for calls of many: what is asked while a batch is under way goes together, once all of that batch
 * is answered. Redis handles a batch in one turn of its event loop, with one sync of its append-only file; asked one by one, each
 * would cost a sync. Alone a call goes at once.
 */

const MOST = 200

export type Batches = <T>(call: () => Promise<T>) => Promise<T>

export const createBatches = (): Batches => {
  const waiting: (() => Promise<unknown>)[] = []
  let underWay = 0
  const answered = (): void => {
    underWay--
    if (underWay === 0) start(waiting.splice(0, MOST))
  }
  const start = (calls: (() => Promise<unknown>)[]): void => {
    underWay = calls.length
    for (const call of calls) call().then(answered, answered)
  }
  return (call) =>
    new Promise((resolve, reject) => {
      const run = (): Promise<unknown> => call().then(resolve, reject)
      if (underWay > 0) waiting.push(run)
      else start([run])
    })
}
