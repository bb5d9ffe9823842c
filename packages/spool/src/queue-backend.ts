/** BullMQ on the lane's one event stream: a stream per destination would cost 5 KB each. */
import { type ConnectionOptions, createRedisBackend } from 'bullmq'

/** A backend factory for BullMQ's Queue and Worker in a lane. */
export const laneBackend: typeof createRedisBackend = (name, options, blocking) => {
  const backend = createRedisBackend(name, options, blocking)
  const prefix = backend.qualifiedName.slice(0, -name.length - 1)
  backend.keys.events = `${prefix}:events`
  return backend
}

export type { ConnectionOptions }
