/** What the services say of each message, by its ID: which life of which process took it up, and what it made of it. */

export type Step = {
  /** ms since the epoch */
  at: number
  /** The life of a process, `delivery-agent-0#3`. */
  by: string
  event: string
  destination: string | null
  to: string | null
  /** `notice`: the ID of the notice. */
  notice: string | null
  reason: string | null
}

export type LogBook = {
  onLine: (life: string, line: string) => void
  of: (id: string) => readonly Step[]
  count: (event: string) => number
}

const KEPT = new Set([
  'attempt',
  'delivery',
  'deferral',
  'bounce',
  'expiry',
  'notice',
  'double-bounce',
  'parked',
  'recovery',
  'hand-back',
  'store-failed',
  'duplicate-suspected',
])

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const parse = (line: string): Record<string, unknown> | null => {
  try {
    return JSON.parse(line)
  } catch {
    return null // the last words of a process that was killed
  }
}

export const createLogBook = (): LogBook => {
  const steps = new Map<string, Step[]>()
  const counts = new Map<string, number>()
  return {
    onLine: (life, line) => {
      if (!line.startsWith('{') || !line.includes('"event":"')) return
      const said = parse(line)
      const event = text(said?.event)
      if (said === null || event === null) return
      counts.set(event, (counts.get(event) ?? 0) + 1)
      const id = text(said.id)
      if (id === null || !KEPT.has(event)) return
      const step: Step = {
        at: Date.parse(text(said.time) ?? ''),
        by: life,
        event,
        destination: text(said.destination),
        to: text(said.to),
        notice: text(said.notice),
        reason: text(said.reason) ?? text(said.reply),
      }
      const known = steps.get(id)
      if (known === undefined) steps.set(id, [step])
      else known.push(step)
    },
    of: (id) => steps.get(id) ?? [],
    count: (event) => counts.get(event) ?? 0,
  }
}
