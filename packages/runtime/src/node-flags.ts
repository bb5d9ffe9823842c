/**
 * How Node.js is started for a service. A young generation of this size halves the collections of a smaller one; a larger one takes
 * memory and brings little more. With the old generation that V8 begins with, the Buffers of messages of some 50 KiB set off a full
 * collection every tenth of a second, a quarter of all time.
 */
export const NODE_FLAGS: readonly string[] = ['--no-warnings', '--max-semi-space-size=8', '--initial-old-space-size=72']

/** One arena of malloc: what one thread frees, the next Buffer uses. */
export const NODE_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' }
