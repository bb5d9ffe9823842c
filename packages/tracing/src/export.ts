/**
 * The way of finished spans to the collector: OpenTelemetry's batches with our count of what became of each span. At most
 * `maxQueueSize` spans wait and one batch is under way; what comes beyond is dropped, so that memory is bounded whatever the collector does.
 */
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace'
import type { Log } from '@sluice/runtime'
import type { BatchSettings } from './environment.ts'
import type { CountSpans } from './figures.ts'

export type ExportParts = {
  exporter: SpanExporter
  batches: BatchSettings
  log: Log
  count: CountSpans
}

/** @returns `isAway`: the last batch could not be sent */
export const createSpanProcessor = (parts: ExportParts): { processor: SpanProcessor; isAway: () => boolean } => {
  const { exporter, batches, log, count } = parts
  const most = batches.maxQueueSize
  let waiting = 0
  let isAway = false

  /** Told when it begins and when it ends, not for every batch. */
  const tell = ({ code, error }: ExportResult): void => {
    const failed = code !== ExportResultCode.SUCCESS
    if (failed && !isAway) log.warn('traces cannot be sent; spans are dropped until they can', { error })
    if (!failed && isAway) log.info('traces are sent again')
    isAway = failed
  }

  const counted: SpanExporter = {
    export: (spans, done) => {
      exporter.export(spans, (result) => {
        waiting -= spans.length
        tell(result)
        count(result.code === ExportResultCode.SUCCESS ? 'exported' : 'failed', spans.length)
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
  }
  const batch = new BatchSpanProcessor({ exporter: counted, ...batches })
  const processor: SpanProcessor = {
    onStart: () => {},
    onEnd: (span: ReadableSpan) => {
      if (waiting >= most) return count('dropped', 1)
      waiting++
      batch.onEnd(span)
    },
    forceFlush: () => batch.forceFlush(),
    shutdown: () => batch.shutdown(),
  }
  return { processor, isAway: () => isAway }
}
