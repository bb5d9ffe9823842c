/**
 * How Node.js is started for a service. A young generation of this size halves the collections of a smaller one; a larger one takes
 * memory and brings little more.
 */
export const NODE_FLAGS: readonly string[] = ['--no-warnings', '--max-semi-space-size=8']
