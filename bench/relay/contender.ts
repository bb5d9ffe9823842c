/** What the bench compares: a mail relay that takes mail from loopback and hands everything to one smarthost. */

export type Contender = {
  name: string
  /** Why it cannot run here, in one line that says what to do; null when it can. */
  obstacle: () => string | null
  /**
   * Starts it; it listens on 127.0.0.1 when this resolves.
   * @param place a new folder of its own, and the smarthost's port on 127.0.0.1
   */
  start: (place: { folder: string; sinkPort: number }) => Promise<RunningContender>
}

export type RunningContender = {
  port: number
  /** Ends every process of it. */
  stop: () => Promise<void>
}
