/**
 * The far end of the bench: Postfix's smtp-sink, which writes every message it takes into one file. Each message carries
 * a number of its own in its recipient (`17bench@…`, smtp-source -N), so that the file tells which arrived, and how often.
 */
import { chmod, mkdir, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, startProgram, waitForPort } from '@sluice/testkit'

export type Arrivals = {
  /** Different messages. */
  distinct: number
  /** Copies beyond the first of each. */
  doubles: number
  /** When the last one was written, ms since the epoch. */
  lastAt: number
}

export type Sink = {
  port: number
  /** Reads what has been written since the last call. */
  count: () => Promise<Arrivals>
  stop: () => Promise<void>
}

const MARK = /^X-Rcpt-Args: <(\d+)bench@/gm

/** Reads a growing file piece by piece, whole lines only. */
const createReader = (path: string): (() => Promise<string>) => {
  let offset = 0
  let rest = ''
  const buffer = Buffer.alloc(1024 * 1024)
  return async () => {
    const file = await open(path).catch(() => null)
    if (file === null) return ''
    let text = rest
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
      if (bytesRead === 0) break
      offset += bytesRead
      text += buffer.toString('latin1', 0, bytesRead)
    }
    await file.close()
    const end = text.lastIndexOf('\n') + 1
    rest = text.slice(end)
    return text.slice(0, end)
  }
}

/** @param folder a new folder of the bench's own */
export const startSink = async (folder: string): Promise<Sink> => {
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o777)
  const dump = join(folder, 'messages')
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const program = await startProgram('smtp-sink', [...user, '-D', dump, `127.0.0.1:${port}`, '1000'])
  await waitForPort(port, program)
  const copies = new Map<string, number>()
  const read = createReader(dump)
  const count = async (): Promise<Arrivals> => {
    for (const [, number = ''] of (await read()).matchAll(MARK)) copies.set(number, (copies.get(number) ?? 0) + 1)
    const all = [...copies.values()].reduce((sum, n) => sum + n, 0)
    const lastAt = all === 0 ? 0 : (await stat(dump)).mtimeMs
    return { distinct: copies.size, doubles: all - copies.size, lastAt }
  }
  return { port, count, stop: () => program.stop('SIGTERM') }
}
