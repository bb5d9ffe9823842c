/** `npm run bench`: Sluice beside other mail servers. `npm run bench -- --help` tells the rest. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Case } from './relay/cases.ts'
import type { Contender } from './relay/contender.ts'
import { measure, type Result } from './relay/measure.ts'
import { type BenchOptions, HELP, type PeerName, parseOptions } from './relay/options.ts'
import { postfix } from './relay/postfix.ts'
import { runLine, stageLine, table } from './relay/report.ts'
import { sluice } from './relay/sluice.ts'
import { type Summary, summarize } from './relay/summary.ts'

const PEER: Record<PeerName, Contender> = { postfix }

/** S P H S P H …: what disturbs the machine for a while disturbs all of them. */
const runCase = async (one: Case, contenders: Contender[], options: BenchOptions, folder: string, signal: AbortSignal) => {
  const count = options.count ?? (options.quick ? one.quickCount : one.count)
  console.log(`\n${one.name}: ${one.title}, ${count} messages`)
  const results = new Map<Contender, Result[]>(contenders.map((each) => [each, []]))
  for (let run = 1; run <= options.runs; run++) {
    for (const [contender, list] of results) {
      const place = join(folder, `${one.name}-${run}-${contender.name.toLowerCase()}`)
      const result = await measure({ contender, one, count, folder: place, cores: availableParallelism(), signal })
      list.push(result)
      console.log(runLine(`${run}/${options.runs}`, result))
      await rm(place, { recursive: true, force: true })
    }
  }
  const summaries = [...results.values()].map(summarize)
  for (const summary of summaries) console.log(stageLine(summary))
  return summaries
}

const main = async (signal: AbortSignal): Promise<boolean> => {
  const options = parseOptions(process.argv.slice(2))
  if (options === null) {
    console.log(HELP)
    return true
  }
  const contenders = [sluice, ...options.peers.map((name) => PEER[name])]
  for (const contender of contenders) await contender.prepare()
  const folder = await mkdtemp(join(options.folder, 'sluice-bench-'))
  await chmod(folder, 0o755)
  const all: Summary[] = []
  try {
    for (const one of options.cases) all.push(...(await runCase(one, contenders, options, folder, signal)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  console.log(`\n${table(options.cases, all)}\n`)
  const exact = all.every((summary) => summary.exact)
  console.log(exact ? 'Every message arrived exactly once.' : 'NOT every message arrived exactly once.')
  return exact
}

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort(new Error(`stopped by ${name}`)))
process.exitCode = await main(stop.signal).then(
  (good) => (good ? 0 : 1),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    return 1
  },
)
