/**
 * `npm run chaos`: the reliability claim, tried. A gateway of eight processes takes mail from many clients while its parts are
 * killed, frozen, cut off and starved in the order that a seed gives; then the account is made of every message that got a 250.
 * Loopback only; everything it starts ends with it. See docs/reliability.md.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createArrivals, readMaildirs } from './arrivals.ts'
import { startClients } from './clients.ts'
import { startFarEnds } from './far-ends.ts'
import { createFaults } from './faults.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { isGood, judge } from './judge.ts'
import { lifeOf, MOST_LIVES } from './life.ts'
import { createLogBook } from './log-book.ts'
import { ACCOUNTS } from './mail.ts'
import { describeShape, HELP, type Options, readOptions } from './options.ts'
import { planOf } from './plan.ts'
import { report, writeReport } from './report.ts'
import { settle } from './settle.ts'
import { createInTransmission } from './transmission.ts'

class Stopped extends Error {
  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`)
  }
}

const TELL_EVERY_MS = 5000

const bringUp = async (gateway: Gateway): Promise<void> => {
  gateway.process('redis').start()
  await gateway.process('redis').up()
  for (const each of gateway.processes) each.start()
  await Promise.all(gateway.processes.map((each) => each.up()))
}

const say = (startedAt: number, text: string): void => {
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  console.log(`${String(seconds).padStart(4)} s  ${text}`)
}

/** Rejects then, or now if it is over already; never resolves. */
const untilStopped = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

type Stage = Awaited<ReturnType<typeof setUp>>

const setUp = async ({ shape }: Options, folder: string) => {
  const arrivals = createArrivals()
  const book = createLogBook()
  const farEnds = await startFarEnds(arrivals)
  const gateway = await startGateway({ folder, fars: farEnds.ports, shape, onLine: book.onLine })
  return { folder, arrivals, book, farEnds, gateway }
}

/** Load and faults, then quiet. */
const play = async (options: Options, { arrivals, farEnds, gateway }: Stage, signal: AbortSignal) => {
  const { seed, kills, faultsMs, rate } = options
  const startedAt = Date.now()
  const stopped = untilStopped(signal)
  await Promise.race([bringUp(gateway), stopped])
  const faults = createFaults(gateway, farEnds, planOf(seed, kills, faultsMs), signal)
  const clients = startClients({ seed, rate, ports: gateway.smtpPorts })
  let toldAt = Date.now()
  const tell = (waiting?: number): void => {
    if (Date.now() - toldAt < TELL_EVERY_MS) return
    toldAt = Date.now()
    const { done } = faults
    const counts = (['accepted', 'refused', 'unknown'] as const).map((fate) => `${clients.count(fate)} ${fate}`).join(', ')
    const left = waiting === undefined ? '' : `, ${waiting} waiting`
    say(startedAt, `${faults.kills()} kills of ${done.length} faults; ${counts}; ${arrivals.all.length} arrivals${left}`)
  }
  const teller = setInterval(() => tell(), 500)
  try {
    await Promise.race([faults.run(), stopped])
  } finally {
    clearInterval(teller)
    clients.leave()
  }
  const faultsTookMs = Date.now() - startedAt
  await clients.done
  const settled = await settle(gateway, signal, tell)
  signal.throwIfAborted()
  return { done: faults.done, ledger: clients.ledger, faultsTookMs, settled }
}
type Played = Awaited<ReturnType<typeof play>>

/** Makes the account, and tells what there is to tell. @returns whether it holds */
const conclude = async (options: Options, stage: Stage, { done, ledger, faultsTookMs, settled }: Played): Promise<boolean> => {
  const { folder, arrivals, book, farEnds, gateway } = stage
  const { seed } = options
  farEnds.collect()
  await readMaildirs(arrivals, join(folder, 'mail'), ACCOUNTS)
  const inTransmission = createInTransmission(done, book)
  const verdict = judge({ seed, ledger, arrivals, book, inTransmission, left: settled.left })
  const ownEnds = gateway.processes.flatMap((each) => each.ownEnds)
  const { redis, lanes } = gateway
  const lives = { seed, logs: join(folder, 'logs'), redis, lanes, done, ledger }
  for (const [i, finding] of [...verdict.lost, ...verdict.unexplained, ...verdict.wrong].entries()) {
    const { n, id, problem } = finding
    console.log(i < MOST_LIVES ? `\n${await lifeOf(finding, lives)}` : `mail ${n}, ${id}: ${problem}`)
  }
  const reasons = new Map<string, number>()
  for (const { id, destination, reason, explained } of settled.parked) {
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    if (!explained) console.log(`set aside, NOT EXPLAINED: ${id} for ${destination}`)
  }
  for (const [reason, count] of reasons) console.log(`set aside: ${count}: ${reason}`)
  const left = [...settled.left].filter(([, why]) => why !== null)
  for (const [id, why] of left) console.log(`left in the spool: ${id}: ${why}`)
  for (const end of ownEnds) console.log(`ended by itself: ${end}`)
  if (!settled.isQuiet) console.log('The spool did NOT settle in time.')
  const text = report({ options, done, verdict, settled, faultsTookMs, ownEnds })
  console.log(`\n${text}\n`)
  const holds = isGood(verdict) && settled.isQuiet && left.length === 0 && settled.parked.every(({ explained }) => explained)
  if (options.write && holds) await writeReport(text, options.size)
  return holds
}

const run = async (options: Options, folder: string, signal: AbortSignal): Promise<boolean> => {
  const stage = await setUp(options, folder)
  try {
    return await conclude(options, stage, await play(options, stage, signal))
  } finally {
    for (const late of await stage.gateway.stop()) console.log(`did not end in time: ${late}`)
    await stage.farEnds.stop()
  }
}

const main = async (): Promise<number> => {
  const options = readOptions(process.argv.slice(2))
  if (options === null) {
    console.log(HELP)
    return 0
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort(new Stopped(name)))
  const folder = await mkdtemp(join(tmpdir(), 'sluice-chaos-'))
  const { seed, kills, rate, shape } = options
  console.log(`seed ${seed}, ${kills} kills, ${rate} messages/s, ${describeShape(shape)}, in ${folder}`)
  let isGreen = false
  try {
    isGreen = await run(options, folder, stop.signal)
    console.log(isGreen ? 'Nothing was lost, and nothing doubled but what was in transmission.' : 'The account does NOT hold.')
  } finally {
    if ((isGreen || stop.signal.aborted) && !options.keep) await rm(folder, { recursive: true, force: true })
    else console.log(`kept: ${folder}`)
  }
  return isGreen ? 0 : 1
}

const code = await main().catch((fault: unknown) => {
  if (fault instanceof Stopped) console.error(fault.message)
  else console.error(fault instanceof Error ? (fault.stack ?? fault.message) : fault)
  return 1
})
// Faults that were stopped in the middle wait on, and nobody waits for them.
process.exit(code)
