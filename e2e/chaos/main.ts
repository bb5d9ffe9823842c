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
import { HELP, type Options, readOptions } from './options.ts'
import { planOf } from './plan.ts'
import { type Outcome, report, writeReport } from './report.ts'
import { settle } from './settle.ts'
import { createInTransmission } from './transmission.ts'

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

/** Load and faults, then quiet, then the verdict. */
const play = async (options: Options, folder: string, signal: AbortSignal): Promise<boolean> => {
  const { seed, kills, faultsMs, rate } = options
  const arrivals = createArrivals()
  const book = createLogBook()
  const farEnds = await startFarEnds(arrivals)
  const gateway = await startGateway({ folder, fars: farEnds.ports, onLine: book.onLine })
  const startedAt = Date.now()
  let teller: NodeJS.Timeout | undefined
  try {
    await bringUp(gateway)
    const faults = createFaults(gateway, farEnds, planOf(seed, kills, faultsMs), signal)
    const clients = startClients({ seed, rate, ports: gateway.smtpPorts })
    const tell = (waiting?: number): void => {
      const { done } = faults
      const counts = (['accepted', 'refused', 'unknown'] as const).map((fate) => `${clients.count(fate)} ${fate}`).join(', ')
      const left = waiting === undefined ? '' : `, ${waiting} waiting`
      say(startedAt, `${faults.kills()} kills of ${done.length} faults; ${counts}; ${arrivals.all.length} arrivals${left}`)
    }
    teller = setInterval(tell, TELL_EVERY_MS)
    await faults.run()
    const faultsTookMs = Date.now() - startedAt
    await clients.stop()
    clearInterval(teller)
    signal.throwIfAborted()
    let toldAt = 0
    const settled = await settle(gateway.redis, signal, (waiting) => {
      if (Date.now() - toldAt < TELL_EVERY_MS) return
      toldAt = Date.now()
      tell(waiting)
    })
    signal.throwIfAborted()
    farEnds.collect()
    await readMaildirs(arrivals, join(folder, 'mail'), ACCOUNTS)
    const { ledger } = clients
    const inTransmission = createInTransmission(faults.done, book)
    const verdict = judge({ seed, ledger, arrivals, book, inTransmission, left: settled.left })
    const ownEnds = gateway.processes.flatMap((each) => each.ownEnds)
    const outcome: Outcome = { options, done: faults.done, verdict, settled, faultsTookMs, ownEnds }
    const findings = [...verdict.lost, ...verdict.unexplained, ...verdict.wrong]
    const lives = { seed, logs: join(folder, 'logs'), redis: gateway.redis, done: faults.done, ledger }
    for (const [i, finding] of findings.entries()) {
      const { n, id, problem } = finding
      console.log(i < MOST_LIVES ? `\n${await lifeOf(finding, lives)}` : `mail ${n}, ${id}: ${problem}`)
    }
    for (const { id, destination, reason, explained } of settled.parked) {
      console.log(`set aside${explained ? '' : ', NOT EXPLAINED'}: ${id} for ${destination}: ${reason}`)
    }
    for (const end of ownEnds) console.log(`ended by itself: ${end}`)
    const text = report(outcome)
    console.log(`\n${text}\n`)
    if (options.write) await writeReport(text, options.size)
    return isGood(verdict) && settled.isQuiet && settled.parked.every(({ explained }) => explained)
  } finally {
    clearInterval(teller)
    for (const late of await gateway.stop()) console.log(`did not end in time: ${late}`)
    await farEnds.stop()
  }
}

const main = async (): Promise<number> => {
  const options = readOptions(process.argv.slice(2))
  if (options === null) {
    console.log(HELP)
    return 0
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort(new Error(`stopped by ${name}`)))
  const folder = await mkdtemp(join(tmpdir(), 'sluice-chaos-'))
  console.log(`seed ${options.seed}, ${options.kills} kills, ${options.rate} messages/s, in ${folder}`)
  let isGreen = false
  try {
    isGreen = await play(options, folder, stop.signal)
    console.log(isGreen ? 'Nothing was lost, and nothing doubled but what was in transmission.' : 'The account does NOT hold.')
  } finally {
    if (isGreen && !options.keep) await rm(folder, { recursive: true, force: true })
    else console.log(`kept: ${folder}`)
  }
  return isGreen ? 0 : 1
}

process.exitCode = await main().catch((fault: unknown) => {
  console.error(fault instanceof Error ? (fault.stack ?? fault.message) : fault)
  return 1
})
