/** The exact account of a scenario: what got a 250 against what arrived, told apart by the IDs in the Received fields. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FarEnd } from '@sluice/testkit'
import { eventually, type Sluice } from './gateway.ts'
import type { Attempted } from './load.ts'

/** The ID that our ingress gave: the first Received field's. */
export const idOf = (content: Buffer | string): string => {
  const head = content.toString('latin1').slice(0, 4096)
  const id = /^Received: (?:[^\r\n]|\r?\n[ \t])*?\bid (\w+)/m.exec(head)?.[1]
  if (id === undefined) throw new Error(`no ID in ${head.slice(0, 300)}`)
  return id
}

export type Account = {
  /** IDs that got a 250 and have not arrived. */
  lost: string[]
  /** Arrivals beyond the first, by ID. */
  doubles: number
  /** Arrived, but their clients saw no 250: the reply was lost. */
  unanswered: number
}

export const account = (sent: readonly Attempted[], arrivedIds: readonly string[]): Account => {
  const taken = new Set(sent.flatMap(({ id }) => (id === null ? [] : [id])))
  const arrived = new Set(arrivedIds)
  return {
    lost: [...taken].filter((id) => !arrived.has(id)),
    doubles: arrivedIds.length - arrived.size,
    unanswered: [...arrived].filter((id) => !taken.has(id)).length,
  }
}

/** IDs of all mails in an account's folder. */
export const idsInMaildir = async (folder: string): Promise<string[]> => {
  const names = await readdir(join(folder, 'new')).catch(() => [])
  return Promise.all(names.map(async (name) => idOf(await readFile(join(folder, 'new', name)))))
}

export const idsAt = (far: FarEnd): string[] => far.messages.map(({ content }) => idOf(content))

/** Resolves when all that got a 250 has arrived and nothing is left in the queue. */
export const untilDelivered = async (
  sluice: Pick<Sluice, 'cli'>,
  sent: readonly Attempted[],
  arrived: () => string[] | Promise<string[]>,
  timeoutMs = 60_000,
): Promise<Account> => {
  const missing = async (): Promise<number> => account(sent, await arrived()).lost.length
  await eventually('all that got a 250', async () => (await missing()) === 0, timeoutMs)
  await eventually('an empty queue', async () => (await sluice.cli('queue')).stdout === 'The queue is empty.\n', timeoutMs)
  return account(sent, await arrived())
}

/** How often a reply to the final dot never came: so many messages may have been stored without their clients knowing. */
export const unknownReplies = (sent: readonly Attempted[]): number => sent.reduce((sum, { unknown }) => sum + unknown, 0)
