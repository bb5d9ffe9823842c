/** What long work has come to, once a second, on standard error: a quick command says nothing. */
import type { Io } from '../command.ts'

const EVERY_MS = 1000

/** @param words what has been done so far, asked for when it is told */
export const createProgress = (io: Io): ((words: () => string) => void) => {
  let toldAt = Date.now()
  return (words) => {
    if (Date.now() - toldAt < EVERY_MS) return
    toldAt = Date.now()
    io.err(`${words()}\n`)
  }
}

/** `1,234 messages` */
export const countOf = (count: number, noun: string): string => `${count.toLocaleString('en')} ${count === 1 ? noun : `${noun}s`}`
