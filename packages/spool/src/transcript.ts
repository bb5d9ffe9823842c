/** Transcripts as they lie beside a task that waits: compressed, and bounded: the end is what tells why. */
import { gunzipSync, gzipSync } from 'node:zlib'

/** Characters. */
const MOST_TRANSCRIPT = 16 * 1024

export const packTranscript = (lines: readonly string[]): Buffer => gzipSync(lines.join('\n').slice(-MOST_TRANSCRIPT))
export const unpackTranscript = (stored: Buffer): string[] =>
  stored.length === 0 ? [] : gunzipSync(stored).toString().split('\n')
