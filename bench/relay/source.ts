/** Hands the messages in: Postfix's smtp-source as fast as it goes, or a client of our own at a steady pace. */
import { runProgram } from '@sluice/testkit'
import { paced } from './paced.ts'
import type { Mark } from './sink.ts'

export type Load = { count: number; sizeBytes: number; connections: number; kept: boolean }

const SENDER = 'source@bench.test'
/** Without the number that goes before it. */
const recipient = (mark: Mark): string => `${mark}@far.bench.test`

/** Resolves when the last message has its 250; rejects when one is refused. */
export const flood = async (port: number, load: Load, mark: Mark, signal: AbortSignal): Promise<null> => {
  const { count, sizeBytes, connections, kept } = load
  const amount = ['-s', String(Math.min(connections, count)), '-m', String(count), '-l', String(sizeBytes)]
  // -d: a connection carries many messages. -N: every recipient gets a number of its own.
  const words = [...(kept ? ['-d'] : []), '-N', ...amount, '-f', SENDER, '-t', recipient(mark), `127.0.0.1:${port}`]
  await runProgram('smtp-source', words, signal)
  return null
}

/** @returns when each message was handed in, by its number, µs of the machine's clock */
export const pace = (port: number, load: Load & { perSecond: number }, signal: AbortSignal): Promise<Map<number, number>> =>
  paced({ ...load, port, from: SENDER, to: recipient('bench') }, signal)
