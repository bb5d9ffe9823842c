/** `npm run bench`: Sluice beside other mail servers. `npm run bench -- --help` tells the rest. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { CASES, type Case } from './relay/cases.ts'
import type { Contender } from './relay/contender.ts'
import { misses } from './relay/floors.ts'
import { haraka } from './relay/haraka.ts'
import { measure, type Result } from './relay/measure.ts'
import { type BenchOptions, HELP, type PeerName, parseOptions } from './relay/options.ts'
import { postfix } from './relay/postfix.ts'
import { resultTable, runLine, stageLine, stageTable } from './relay/report.ts'
import { sluice } from './relay/sluice.ts'
import { type Summary, summarize } from './relay/summary.ts'
import { loadNow, markdown, measuredOn, writeTable } from './support/docs.ts'
import { runMain } from './support/run-main.ts'

const PEER: Record<PeerName, Contender> = { postfix, haraka }

type Bench = { options: BenchOptions; contenders: Contender[]; folder: string; signal: AbortSignal }

/** S P H S P H …: what disturbs the machine for a while disturbs all of them. */
const runCase = async (one: Case, { options, contenders, folder, signal }: Bench): Promise<Summary[]> => {
  const count = options.count ?? (options.quick ? one.quickCount : one.count)
  console.log(`\n${one.name}: ${one.title}, ${count} messages`)
  const results = new Map<Contender, Result[]>(contenders.map((each) => [each, []]))
  for (let run = 1; run <= options.runs; run++) {
    for (const [contender, list] of results) {
      const place = await mkdtemp(join(folder, `${one.name}-`))
      const warmUp = options.quick ? Math.ceil(one.warmUp / 2) : one.warmUp
      const result = await measure({
        contender,
        one: { ...one, warmUp },
        count,
        folder: place,
        cores: availableParallelism(),
        signal,
      })
      list.push(result)
      console.log(runLine(`${run}/${options.runs}`, result))
      await rm(place, { recursive: true, force: true })
    }
  }
  const summaries = [...results.values()].map(summarize)
  for (const summary of summaries) console.log(stageLine(summary))
  return summaries
}

const missesOf = (summaries: Summary[]): string[] =>
  summaries.flatMap((summary) => (summary.contender === 'Sluice' ? misses(summary, summaries) : []))

/** A floor that is missed is looked at once more: something else may have used the machine. Lost mail is not looked at again. */
const checkCase = async (one: Case, bench: Bench): Promise<{ summaries: Summary[]; missed: string[] }> => {
  const summaries = await runCase(one, bench)
  const missed = missesOf(summaries)
  if (missed.length === 0 || summaries.some(({ exact }) => !exact)) return { summaries, missed }
  console.log(`  below the floor, once more: ${missed.join('; ')}`)
  const again = await runCase(one, bench)
  return { summaries: again, missed: missesOf(again) }
}

const runAll = async (bench: Bench): Promise<{ all: Summary[]; missed: string[] }> => {
  const all: Summary[] = []
  const missed: string[] = []
  for (const one of bench.options.cases) {
    const result = bench.options.check ? await checkCase(one, bench) : { summaries: await runCase(one, bench), missed: [] }
    all.push(...result.summaries)
    missed.push(...result.missed.map((miss) => `${one.name}: ${miss}`))
  }
  return { all, missed }
}

const main = async (signal: AbortSignal): Promise<boolean> => {
  const options = parseOptions(process.argv.slice(2))
  if (options === null) {
    console.log(HELP)
    return true
  }
  const loadBefore = loadNow()
  const contenders = [sluice, ...options.peers.map((name) => PEER[name])]
  for (const contender of contenders) await contender.prepare()
  const folder = await mkdtemp(join(options.folder, 'sluice-bench-'))
  await chmod(folder, 0o755)
  let result: Awaited<ReturnType<typeof runAll>>
  try {
    result = await runAll({ options, contenders, folder, signal })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const { all, missed } = result
  const results = resultTable(options.cases, all, measuredOn(loadBefore))
  const stages = stageTable(options.cases, all)
  console.log(`\n${markdown(results)}\n\n${markdown(stages)}\n`)
  for (const { name, durability } of contenders) console.log(`${name} is durable by ${durability}.`)
  const exact = all.every((summary) => summary.exact)
  console.log(exact ? 'Every message arrived exactly once.' : 'NOT every message arrived exactly once.')
  if (options.check) console.log(missed.length === 0 ? 'No floor is missed.' : `BELOW THE FLOOR: ${missed.join('\n')}`)
  if (options.write && exact) {
    const order = CASES.map(({ title }) => title)
    const words = process.argv.slice(2).filter((word) => word !== '--write')
    const command = ['npm run bench', ...(words.length > 0 ? ['--', ...words] : [])].join(' ')
    await writeTable('relay results', results, order, command)
    await writeTable('relay stages', stages, order, command)
    console.log('docs/performance.md is written.')
  }
  return exact && missed.length === 0
}

runMain(main)
