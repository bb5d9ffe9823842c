/**
 * When a message's own trace is over: stores of traces and samplers that look at whole ones count on traces that end soon. What
 * happens later, as attempts days after the first, has a trace of its own with a link to it.
 */
const SAME_TRACE_MS = 3_600_000

/** @param receivedAt of the message, ms since the epoch @param now ms since the epoch */
export const isLate = (receivedAt: number, now: number): boolean => now - receivedAt > SAME_TRACE_MS
