export { createTracingFigures } from './figures.ts'
export { isLate } from './late.ts'
export { startTracing, type Tracing, type TracingOptions } from './start-tracing.ts'
export type { Attributes, Span, SpanKind, SpanName, SpanOptions, Tracer } from './types.ts'
