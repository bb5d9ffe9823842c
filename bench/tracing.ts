/** `npm run bench:tracing`: what traces cost, off beside on. `npm run bench:tracing -- --help` tells the rest. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, type Case } from './relay/cases.ts'
import { measure } from './relay/measure.ts'
import { runLine } from './relay/report.ts'
import { loadNow, markdown, measuredOn, writeTable } from './support/docs.ts'
import { runMain } from './support/run-main.ts'
import { type Receiver, startReceiver } from './tracing/receiver.ts'
import { faultOf, type Run, tracingTable } from './tracing/report.ts'
import { createWay, type Spans, WAYS, type Way } from './tracing/ways.ts'

const HELP = `npm run bench:tracing -- [OPTIONS]

Moves mail of 2 KiB over 20 connections through Sluice with tracing off, with 1 % of the messages traced, and with all of them, in
turns, to a real OpenTelemetry Collector beside it. Exit code 0 only when every message arrived exactly once, and spans as they should.

  --runs N         of each, interleaved; the figures are medians; 3
  --quick          one run of each, with fewer messages
  --write          writes the table into docs/performance.md
  --folder FOLDER  where the queues lie while it runs; /var/tmp
  --help           this`

type Bench = { one: Case; count: number; folder: string; receiver: Receiver; signal: AbortSignal }

const runOnce = async (way: Way, { one, count, folder, receiver, signal }: Bench): Promise<Run> => {
  let spans: Spans = { exported: 0, failed: 0, dropped: 0 }
  const contender = createWay(way, receiver, (told) => {
    spans = told
  })
  const place = await mkdtemp(join(folder, 'run-'))
  const before = await receiver.cpuMs()
  const result = await measure({ contender, one, count, folder: place, cores: availableParallelism(), signal })
  await rm(place, { recursive: true, force: true })
  return { result, spans, collectorUs: (((await receiver.cpuMs()) - before) * 1000) / result.sent }
}

/** @returns null when a run is worth nothing; the reason has been said */
const runAll = async (runs: number, bench: Bench): Promise<Map<Way, Run[]> | null> => {
  const all = new Map<Way, Run[]>(WAYS.map((way) => [way, []]))
  for (let run = 1; run <= runs; run++) {
    for (const [way, list] of all) {
      const one = await runOnce(way, bench)
      console.log(runLine(`${run}/${runs}`, one.result))
      const fault = faultOf(way, one)
      if (fault !== '') {
        console.log(`  tracing ${way.name}: ${fault}`)
        return null
      }
      list.push(one)
    }
  }
  return all
}

const main = async (signal: AbortSignal): Promise<boolean> => {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      folder: { type: 'string', default: '/var/tmp' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return true
  }
  const runs = Number(values.runs ?? (values.quick ? 1 : 3))
  if (!Number.isSafeInteger(runs) || runs < 1) throw new Error(`--runs takes a whole number above 0, found ${values.runs}`)
  const one = CASES.find(({ name }) => name === '2k20')
  if (one === undefined) throw new Error('the case 2k20 is gone')
  const loadBefore = loadNow()
  const folder = await mkdtemp(join(values.folder, 'sluice-bench-'))
  await chmod(folder, 0o755)
  const receiver = await startReceiver(folder)
  let all: Map<Way, Run[]> | null
  try {
    all = await runAll(runs, { one, count: values.quick ? one.quickCount : one.count, folder, receiver, signal })
  } finally {
    await receiver.stop()
    await rm(folder, { recursive: true, force: true })
  }
  if (all === null) return false
  const table = tracingTable(one.title, all, measuredOn(loadBefore))
  console.log(`\n${markdown(table)}\n\nEvery message arrived exactly once.`)
  if (values.write) {
    const words = process.argv.slice(2).filter((word) => word !== '--write')
    await writeTable('tracing', table, [], ['npm run bench:tracing', ...(words.length > 0 ? ['--', ...words] : [])].join(' '))
    console.log('docs/performance.md is written.')
  }
  return true
}

runMain(main)
