/** What is measured. The counts are chosen so that a run takes seconds, not minutes, for the slowest of the compared. */

const KIB = 1024
const MIB = 1024 * KIB

export type Case = {
  name: string
  title: string
  sizeBytes: number
  connections: number
  /** A connection carries many messages; else each message opens its own. */
  kept: boolean
  count: number
  /** With --quick and --check. */
  quickCount: number
  /** Uncounted messages before, so that nobody is measured while it compiles or starts processes. */
  warmUp: number
  /** Messages a second, for a case that measures latency; null: as fast as it goes. */
  perSecond: number | null
}

const flood = { kept: true, perSecond: null }

export const CASES: readonly Case[] = [
  {
    ...flood,
    name: '2k20',
    title: '2 KiB, 20 connections',
    sizeBytes: 2 * KIB,
    connections: 20,
    count: 10_000,
    quickCount: 3000,
    warmUp: 2000,
  },
  {
    ...flood,
    name: '2k100',
    title: '2 KiB, 100 connections',
    sizeBytes: 2 * KIB,
    connections: 100,
    count: 10_000,
    quickCount: 3000,
    warmUp: 2000,
  },
  {
    ...flood,
    name: '2knew',
    title: '2 KiB, a connection per message, 20 at once',
    sizeBytes: 2 * KIB,
    connections: 20,
    kept: false,
    count: 8000,
    quickCount: 2500,
    warmUp: 1500,
  },
  {
    ...flood,
    name: '50k20',
    title: '50 KiB, 20 connections',
    sizeBytes: 50 * KIB,
    connections: 20,
    count: 4000,
    quickCount: 1500,
    warmUp: 800,
  },
  {
    ...flood,
    name: '10m20',
    title: '10 MiB, 20 connections',
    sizeBytes: 10 * MIB,
    connections: 20,
    count: 80,
    quickCount: 40,
    warmUp: 10,
  },
  {
    name: 'latency',
    title: '2 KiB, 50 a second: time to arrival',
    sizeBytes: 2 * KIB,
    connections: 10,
    kept: true,
    count: 1000,
    quickCount: 500,
    warmUp: 500,
    perSecond: 50,
  },
]
