/**
 * Which traces are kept. Ingress decides when a trace begins, by a part of its random ID; whatever follows, in whichever service and
 * however much later, does as was decided: the child of a sampled span, and the new trace that is linked to one.
 */
import { type Context, type Link, TraceFlags, trace } from '@opentelemetry/api'
import { type Sampler, SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace'

const isSampled = (flags: number | undefined): boolean => flags !== undefined && (flags & TraceFlags.SAMPLED) !== 0

/** @param sample the part of new traces that is kept, 0 to 1; asked at each */
export const createSampler = (sample: () => number): Sampler => {
  let ratio = sample()
  let roots = new TraceIdRatioBasedSampler(ratio)
  const decide = (context: Context, traceId: string, links: readonly Link[]): boolean => {
    const parent = trace.getSpanContext(context)
    if (parent !== undefined) return isSampled(parent.traceFlags)
    if (links.length > 0) return links.some((link) => isSampled(link.context.traceFlags))
    if (ratio !== sample()) {
      ratio = sample()
      roots = new TraceIdRatioBasedSampler(ratio)
    }
    return roots.shouldSample(context, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED
  }
  return {
    shouldSample: (context, traceId, _name, _kind, _attributes, links) => ({
      decision: decide(context, traceId, links) ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
    }),
    toString: () => 'SluiceSampler',
  }
}
