/**
 * What `npm run bench -- --check` does not let pass, case by case, and what we aim at. A floor lies well below what a quiet machine
 * shows, so that only a real loss breaks it: CPU per message strays little however busy a machine is, throughput strays by half.
 * A floor that is missed is looked at once more before it counts. Mail that is not delivered exactly once always fails.
 */
import { ratioToPostfix, type Summary } from './summary.ts'

export type Floor = {
  case: string
  /** Times Postfix: throughput, or the median time to arrival. */
  ratio: number
  /** The same as we want it on a quiet machine with two cores. */
  goal: number
  /** Postfix's CPU per message by ours. */
  cpuRatio: number
  /** Redis commands per message, those within scripts included. A command more per message is seen here. */
  mostRedisCommands: number
  /** Peak memory of every service. */
  mostMiB: number
  why: string
}

const MIB = 2 ** 20
/** Services; Redis holds the spool, and has its own maxmemory. */
const SERVICES = new Set(['ingress', 'spooler', 'delivery-agent', 'supervisor'])

const small = { ratio: 1, cpuRatio: 1.6, mostRedisCommands: 70, mostMiB: 220 }

export const FLOORS: readonly Floor[] = [
  { ...small, case: '2k20', goal: 4, why: 'kept connections: what relays of one machine and applications do' },
  { ...small, case: '2k100', goal: 4, why: 'more clients than deliveries at once must cost nothing more' },
  {
    ...small,
    case: '2knew',
    goal: 3,
    cpuRatio: 1.2,
    why: 'a new connection costs Sluice one Node.js socket, Postfix one smtpd turn',
  },
  {
    ...small,
    case: '50k20',
    goal: 3,
    ratio: 0.5,
    cpuRatio: 1.2,
    why: 'content lies in Redis beside its task; its log carries it',
  },
  {
    case: '10m20',
    ratio: 0.3,
    goal: 1.3,
    cpuRatio: 0.35,
    mostRedisCommands: 250,
    mostMiB: 215,
    why: 'streamed, never whole in memory: every service is to stay below 200 MiB; what strays beyond is garbage not yet collected',
  },
  {
    case: 'latency',
    ratio: 0.15,
    goal: 1,
    cpuRatio: 0.3,
    mostRedisCommands: 200,
    mostMiB: 200,
    why: 'one message at a time: the path waits for the disk, and nothing else may be waited for',
  },
]

export const floorOf = (name: string): Floor | undefined => FLOORS.find((floor) => floor.case === name)

/** @returns what is below its floor, in words; nothing when all is well */
export const misses = (ours: Summary, all: readonly Summary[]): string[] => {
  const floor = floorOf(ours.case)
  const postfix = all.find((each) => each.case === ours.case && each.contender === 'Postfix')
  if (floor === undefined || postfix === undefined) return []
  const ratio = ratioToPostfix(ours, all) ?? 0
  const cpuRatio = postfix.ownCpuUs / ours.ownCpuUs
  const commands = ours.redis?.all ?? 0
  const heavy = Object.entries(ours.peakBytes).filter(([stage, bytes]) => SERVICES.has(stage) && bytes > floor.mostMiB * MIB)
  return [
    ...(ratio < floor.ratio ? [`${ratio.toFixed(2)} times Postfix, the floor is ${floor.ratio}`] : []),
    ...(cpuRatio < floor.cpuRatio ? [`Postfix takes ${cpuRatio.toFixed(2)} times our CPU, the floor is ${floor.cpuRatio}`] : []),
    ...(commands > floor.mostRedisCommands
      ? [`${commands.toFixed(1)} Redis commands a message, at most ${floor.mostRedisCommands}`]
      : []),
    ...heavy.map(([stage, bytes]) => `${stage} held ${(bytes / MIB).toFixed(0)} MiB, at most ${floor.mostMiB}`),
  ]
}
