/**
 * A session: one conversation with one destination, drained through `next`, turn by turn. The script decides when; this holds
 * the conversation and reports. It stops at once when the fence says that the session is another's; it waits with what it has
 * to settle while Redis is away.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { SiteReport, Task } from '@sluice/contracts'
import type { Log } from '@sluice/runtime'
import type { HandedTask, SessionClient, SessionKey, Settlement, Turn, TurnMode } from '@sluice/spool'
import type { Conversation } from './conversations.ts'
import type { Lingering } from './lingering.ts'
import type { ExecuteErrand } from './session-errands.ts'
import type { AgentMetrics } from './session-metrics.ts'
import type { Handled, TaskContext, TaskHandler } from './session-task.ts'
import type { ShapedRoute, ShapeRoute } from './shaped-route.ts'

export type SessionRun = {
  key: SessionKey
  /** Takes only what has outlived its schedule, in its first run; a later one ends what that had in hand, then goes on as any other. */
  expire: boolean
  /** Takes only what the postmaster marked. */
  errand: boolean
}

export type RunnerDependencies = {
  client: SessionClient
  shapeRoute: ShapeRoute
  /** Another object after each change of the config. */
  policy: () => unknown
  openConversation: (destination: string, route: ShapedRoute) => Conversation
  tasks: TaskHandler
  execute: ExecuteErrand
  lingering: Lingering
  /** A destination is done with a content that lies in a store. */
  releaseContent: (destination: string, task: Task) => Promise<void>
  log: Log
  metrics: AgentMetrics
  /** How long the final reply may take before it is written down that the content has ended; 0: written before it ends. */
  markAfterMs: number
  /** SIGTERM: settle what is in hand, begin nothing, close. */
  stopping: () => boolean
  /** The grace time is over: abort. */
  signal: AbortSignal
  /** The time for those who have not come to their content is over; aborted with `signal` at the latest. */
  leave: AbortSignal
  /** Kept here: sessions with a message that a far end may have, from its dot until the turn that settles it. */
  atStake: Set<SessionKey>
}

/** So many runs died while they did as the postmaster said: the task may be the cause. */
const MOST_CRASHES = 3
const NO_REPORT: SiteReport = { kind: 'none' }
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000
/** A session that lasts asks anew which hosts are behind its destination, and so what policies say of it. */
const HOSTS_FRESH_MS = 60_000

const unused: Conversation = {
  deliver: () => Promise.reject(new Error('no route, no conversation')),
  release: () => {},
}

export const createSessionRunner = (deps: RunnerDependencies) => {
  const { client, tasks, log, metrics } = deps

  const closing = (run: SessionRun): TurnMode => (run.errand ? 'errand-close' : 'close')
  /** Until Redis answers: an outcome is not given up. A repeated turn settles nothing twice, and finds a task whose reply was lost. */
  const again = (run: SessionRun, mode: TurnMode): TurnMode => {
    if (deps.stopping()) return closing(run)
    if (mode === 'errand') return 'errand-start'
    return mode === 'run' || mode.startsWith('linger ') || mode.startsWith('resume ') ? 'start' : mode
  }
  const turn = async (run: SessionRun, mode: TurnMode, settlements: Settlement[], site: SiteReport): Promise<Turn> => {
    for (let pauseMs = FIRST_PAUSE_MS, tries = 0; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2), tries++) {
      try {
        return await client.turn(run.key, tries > 0 ? again(run, mode) : mode, settlements, tries > 0 ? NO_REPORT : site)
      } catch (error) {
        if (tries === 0) log.warn('redis did not answer; the outcome is kept and tried again', { session: run.key.id, error })
        if (deps.signal.aborted) throw error
        await sleep(pauseMs)
      }
    }
  }

  const contextOf = async (run: SessionRun): Promise<TaskContext> => {
    const { destination } = run.key
    const route = await deps.shapeRoute(destination)
    const mark = (id: string): void => {
      client.mark(run.key, id).catch((error: unknown) => log.debug('mark not written', { id, error }))
    }
    const aboutToEnd = (id: string): (() => void) => {
      deps.atStake.add(run.key)
      if (deps.markAfterMs === 0) {
        mark(id)
        return () => {}
      }
      const timer = setTimeout(mark, deps.markAfterMs, id)
      return () => clearTimeout(timer)
    }
    const conversation = route === null ? unused : deps.openConversation(destination, route)
    const transcript = (id: string): Promise<string[]> => client.transcript(run.key, id)
    return { destination, route, conversation, signal: deps.signal, leave: deps.leave, aboutToEnd, transcript }
  }

  /** Once policy has changed, the rest of the session goes by the new one, over connections that suit it. */
  const createRefresh = (run: SessionRun, context: TaskContext): (() => Promise<void>) => {
    let policy = deps.policy()
    let askedAt = performance.now()
    return async () => {
      if (deps.policy() === policy && performance.now() - askedAt < HOSTS_FRESH_MS) return
      policy = deps.policy()
      askedAt = performance.now()
      if (isDeepStrictEqual(await deps.shapeRoute(context.destination), context.route)) return
      context.conversation.release()
      Object.assign(context, await contextOf(run))
    }
  }

  const expires = (run: SessionRun): boolean => run.expire && run.key.run === 1
  const expireOne = async (run: SessionRun, task: HandedTask, context: TaskContext): Promise<Handled> => {
    const why = (await client.siteReason(run.key).catch(() => null)) ?? 'the site was not reachable'
    return tasks.expire(task, context, why)
  }

  const giveBack = ({ id }: HandedTask): Handled => ({ settlements: [{ kind: 'return', id }], site: NO_REPORT, task: null })

  /** Handed out by a turn that was under way when the agent was told to stop, or whose reply was lost: another one begins it. */
  const handBack = (run: SessionRun, task: HandedTask): Handled => {
    metrics.event('hand-back')
    log.event('hand-back', { id: task.id, destination: run.key.destination })
    return giveBack(task)
  }

  const handleOne = async (run: SessionRun, task: HandedTask, context: TaskContext): Promise<Handled> => {
    if (task.verb !== null) return deps.execute(task, context)
    // A mark that was taken back meanwhile.
    if (run.errand) return giveBack(task)
    if (expires(run)) return expireOne(run, task, context)
    return deps.stopping() ? handBack(run, task) : tasks.attempt(task, context)
  }

  /** In hand already: another run of this session died with it, or the reply that handed it to this run was lost. */
  const takeUp = (run: SessionRun, task: HandedTask, context: TaskContext): Promise<Handled> => {
    if (task.takenBy === run.key.run) return handleOne(run, task, context)
    const crashes = Math.max(1, run.key.run - task.takenBy)
    // Nothing of it can have reached a far end: the errand is done again.
    if (task.verb !== null && !task.marked && crashes < MOST_CRASHES) return deps.execute(task, context)
    // Nobody was dialled for it, and its sender may have been told already.
    if (run.expire && task.takenBy === 1 && !task.marked && crashes < MOST_CRASHES) return expireOne(run, task, context)
    return tasks.recover(task, context, crashes)
  }

  const takeAll = async (run: SessionRun, given: HandedTask[], context: TaskContext): Promise<Handled[]> => {
    if (run.errand) return Promise.all(given.map((task) => takeUp(run, task, context)))
    const handled: Handled[] = []
    for (const task of given) handled.push(await takeUp(run, task, context))
    return handled
  }

  const firstMode = (run: SessionRun): TurnMode => {
    if (deps.stopping()) return closing(run)
    return run.errand ? 'errand-start' : expires(run) ? 'expire' : 'start'
  }
  const nextMode = (run: SessionRun, attempted: number): TurnMode => {
    if (deps.stopping()) return closing(run)
    if (run.errand || expires(run)) return run.errand ? 'errand' : 'expire'
    const agent = deps.lingering.mayLinger(run.key, attempted)
    return agent === null ? 'run' : `linger ${agent}`
  }

  const settled = (run: SessionRun, handled: Handled[]): void => {
    for (const { settlements, task } of handled) {
      const finished = settlements.some(({ kind }) => kind === 'finish')
      if (!finished || task === null || task.content.store === 'inline') continue
      deps
        .releaseContent(run.key.destination, task)
        .catch((error: unknown) => log.warn('content not removed; the sweep will', { id: task.id, error }))
    }
  }

  const leftAlone = (run: SessionRun, reason: string): void => {
    metrics.event('backoff')
    log.event('backoff', { destination: run.key.destination, reason })
  }

  const drain = async (run: SessionRun, context: TaskContext): Promise<void> => {
    const refresh = createRefresh(run, context)
    let handled: Handled[] = []
    let site: SiteReport = NO_REPORT
    let mode = firstMode(run)
    let attempted = 0
    for (;;) {
      const step: Turn = await turn(
        run,
        mode,
        handled.flatMap((each) => each.settlements),
        site,
      )
      deps.atStake.delete(run.key)
      // Fenced: another run may have the task; its content stays until that one, or the sweep, is done with it.
      if (step.kind !== 'fenced') settled(run, handled)
      handled = []
      const told = site
      site = NO_REPORT
      switch (step.kind) {
        case 'closed':
          if (step.why === 'backoff' && (told.kind === 'failed' || told.kind === 'curb')) leftAlone(run, told.reason)
          return
        case 'fenced':
        case 'sleep':
          return
        case 'wait':
          await sleep(step.ms)
          break
        case 'linger':
          context.conversation.release()
          mode = await deps.lingering.wait(run.key, step.ms)
          continue
        case 'task':
          attempted++
          await refresh()
          // The run that was about to end its content vanished with its session, and the repair gave it back.
          handled = [await (step.task.marked ? tasks.recover(step.task, context, 1) : handleOne(run, step.task, context))]
          break
        case 'recovered':
          handled = await takeAll(run, step.tasks, context)
          break
      }
      site = handled.at(-1)?.site ?? NO_REPORT
      mode = nextMode(run, attempted)
    }
  }

  return async (run: SessionRun): Promise<void> => {
    const context = await contextOf(run)
    metrics.sessionOpened()
    deps.lingering.begin(run.key)
    try {
      await drain(run, context)
    } finally {
      deps.atStake.delete(run.key)
      metrics.sessionClosed()
      deps.lingering.end(run.key)
      context.conversation.release()
    }
  }
}
export type RunSession = ReturnType<typeof createSessionRunner>
