/** Sessions as a test runs them by hand: opened by `wake`, taken as a Worker takes them, turned one call at a time. */
import type { SiteReport } from '@sluice/contracts'
import type { SessionKey, Turn } from '../index.ts'
import type { TestSpool } from './spool.ts'

export const none = { kind: 'none' } as const
export const ok = { kind: 'ok' } as const
export const failed = { kind: 'failed', reason: 'connection refused' } as const

export const createTurns = (spool: TestSpool) => {
  const open = async (): Promise<SessionKey> => {
    await spool.scheduling.wake(0, 100)
    const session = await spool.takeSession()
    if (session === null) throw new Error('no session is open')
    return session
  }
  return {
    open,
    /** All sessions that are open and not taken. */
    takeAll: async (): Promise<SessionKey[]> => {
      await spool.scheduling.wake(0, 100)
      const sessions: SessionKey[] = []
      for (let session = await spool.takeSession(); session !== null; session = await spool.takeSession()) sessions.push(session)
      return sessions
    },
    start: (session: SessionKey): Promise<Turn> => spool.sessions.turn(session, 'start', [], none),
    /** Settles what the last turn handed out, as delivered, and takes the next. */
    deliver: (session: SessionKey, last: Turn, site: SiteReport = ok): Promise<Turn> =>
      spool.sessions.turn(
        session,
        'run',
        last.kind === 'task' ? [{ kind: 'finish', id: last.task.id, history: '' }] : [],
        last.kind === 'task' ? site : none,
      ),
    idIn: (turn: Turn): string => {
      if (turn.kind !== 'task') throw new Error(`expected a task, got ${JSON.stringify(turn)}`)
      return turn.task.id
    },
  }
}
