/** The ways to run Sluice that are compared: tracing off, as it is unless told, and on with a part of the messages traced. */
import { until } from '@sluice/testkit'
import type { Contender } from '../relay/contender.ts'
import { createSluice } from '../relay/sluice.ts'
import type { Receiver } from './receiver.ts'

/** Spans by what became of them, as the services count them. */
export type Spans = { exported: number; failed: number; dropped: number }
export type Way = { name: string; ratio: number }

export const WAYS: readonly Way[] = [
  { name: 'off', ratio: 0 },
  { name: '1 % of messages', ratio: 0.01 },
  { name: 'every message', ratio: 1 },
]

/** @param figures of all services */
export const readSpans = (figures: string): Spans => {
  const sum = (result: keyof Spans): number => {
    const lines = figures.matchAll(new RegExp(`^sluice_trace_spans_total\\{[^}]*result="${result}"[^}]*\\} (\\d+)$`, 'gm'))
    return [...lines].reduce((all, [, count]) => all + Number(count), 0)
  }
  return { exported: sum('exported'), failed: sum('failed'), dropped: sum('dropped') }
}

/** A short run is over before the first spans have waited for company (OTEL_BSP_SCHEDULE_DELAY, 5 s). */
const FIRST_WITHIN_MS = 15_000

/** @param told of a run's spans just before it stops: the last ones, which wait for company, are not among them */
export const createWay = ({ name, ratio }: Way, receiver: Receiver, told: (spans: Spans) => void): Contender => {
  const on = {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(ratio),
  }
  const ours = createSluice(name, ratio === 0 ? {} : on)
  return {
    ...ours,
    start: async (place) => {
      const running = await ours.start(place)
      const stop = async (): Promise<void> => {
        const read = async (): Promise<Spans> => readSpans(await running.figures())
        const isSent = async (): Promise<boolean> => Object.values(await read()).some((count) => count > 0)
        try {
          // What did not come is the report's to tell.
          if (ratio > 0) await until('the first spans', isSent, FIRST_WITHIN_MS).catch(() => {})
          told(await read())
        } finally {
          await running.stop()
        }
      }
      return { ...running, stop }
    },
  }
}
