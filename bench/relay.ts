/**
 * `npm run bench:relay`: 10,000 messages of 2 KiB over 20 connections, from smtp-source through Sluice to smtp-sink, and
 * then the same through Postfix, on the same disk and with both syncing before they say 250. Exit code 0 only when every
 * message arrived exactly once in both.
 *
 *   --count N          how many messages; 10000
 *   --only NAME        `sluice` or `postfix` alone
 *   --folder FOLDER    where the queues lie while it runs; a new folder in /var/tmp, which is removed afterwards
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Load, measure, type Result } from './relay/measure.ts'
import { postfix } from './relay/postfix.ts'
import { sluice } from './relay/sluice.ts'

const CONTENDERS = { sluice, postfix }

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' },
    only: { type: 'string' },
    folder: { type: 'string', default: '/var/tmp' },
  },
})

const isExact = (result: Result): boolean => result.arrived === result.sent && result.doubles === 0

const describeResult = (result: Result): string => {
  const { name, sent, arrived, doubles, tookMs, perSecond } = result
  const counts = `${arrived} of ${sent} arrived, ${doubles} doubles`
  return `${name.padEnd(8)} ${counts}, ${(tookMs / 1000).toFixed(2)} s, ${perSecond.toFixed(0)} messages/s`
}

const main = async (signal: AbortSignal): Promise<boolean> => {
  const load: Load = { count: Number(values.count), sizeBytes: 2048, connections: 20 }
  if (!Number.isSafeInteger(load.count) || load.count < 1) throw new Error(`--count takes a whole number, found ${values.count}`)
  const chosen = Object.entries(CONTENDERS).filter(([name]) => values.only === undefined || values.only === name)
  if (chosen.length === 0) throw new Error(`--only takes ${Object.keys(CONTENDERS).join(' or ')}, found ${values.only}`)
  for (const [, { obstacle }] of chosen) {
    const reason = obstacle()
    if (reason !== null) throw new Error(reason)
  }
  const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
  await chmod(folder, 0o755)
  console.log(`${load.count} messages of ${load.sizeBytes} bytes over ${load.connections} connections, queues in ${folder}`)
  const results: Result[] = []
  try {
    for (const [, contender] of chosen) {
      const result = await measure(contender, load, folder, signal)
      results.push(result)
      console.log(describeResult(result))
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const [first, second] = results
  if (first && second) console.log(`${first.name} / ${second.name}: ${(first.perSecond / second.perSecond).toFixed(2)}`)
  const exact = results.every(isExact)
  console.log(exact ? 'Every message arrived exactly once.' : 'NOT every message arrived exactly once.')
  return exact
}

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort(new Error(`stopped by ${name}`)))
process.exitCode = await main(stop.signal).then(
  (exact) => (exact ? 0 : 1),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    return 1
  },
)
