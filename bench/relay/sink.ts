/** Starts the far end of the bench (sink-process.ts) and asks it what has arrived. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** The mark is the word in the recipient: `bench`, or `warm` for what is sent before. */
export type Mark = 'bench' | 'warm'
export type SinkQuestion = { mark: Mark; whole: boolean }

export type SinkAnswer = {
  /** Different messages. */
  distinct: number
  /** Copies beyond the first of each. */
  doubles: number
  /** Messages with fewer bytes than were sent. */
  short: number
  /** Kinds of recipients that nobody sent to. */
  strays: number
  /** When the last one came, µs of the machine's clock; 0 without any. */
  lastUs: number
  /** Number of each message, and when it came first; only when asked for. */
  arrivals: [number, number][]
}

export type Sink = {
  port: number
  pid: number
  count: (mark: Mark) => Promise<SinkAnswer>
  /** With all arrivals. */
  arrivals: (mark: Mark) => Promise<Map<number, number>>
  stop: () => Promise<void>
}

/** @param leastBytes a message with fewer counts as short */
export const startSink = async (leastBytes: number): Promise<Sink> => {
  const child = fork(join(import.meta.dirname, 'sink-process.ts'), [String(leastBytes)], {
    execArgv: ['--no-warnings'],
    serialization: 'advanced',
  })
  const exited = once(child, 'exit')
  const ended = exited.then(([code]) => {
    throw new Error(`the sink ended with exit code ${code}`)
  })
  ended.catch(() => {}) // told to whoever waits for an answer
  const next = async (): Promise<unknown> => (await Promise.race([once(child, 'message'), ended]))[0]
  const { port } = (await next()) as { port: number }
  let last: Promise<unknown> = Promise.resolve()
  /** One question at a time: answers carry no number. */
  const ask = (question: SinkQuestion): Promise<SinkAnswer> => {
    const answer = last.then(() => {
      const coming = next()
      child.send(question)
      return coming as Promise<SinkAnswer>
    })
    last = answer.catch(() => {})
    return answer
  }
  return {
    port,
    pid: child.pid as number,
    count: (mark) => ask({ mark, whole: false }),
    arrivals: async (mark) => new Map((await ask({ mark, whole: true })).arrivals),
    stop: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}
