/** What has arrived, at far ends and in Maildirs, and what the notices among it say. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FarEndMessage } from '@sluice/testkit'
import { idOf } from '../support/accounts.ts'
import { readNotice, told } from '../support/notice.ts'
import { readMail } from './mail.ts'

export type Arrival = {
  /** The gateway's ID of it. */
  id: string
  /** Our number; null for a notice. */
  n: number | null
  address: string
  /** Hop of its destination: the far end's name, or `local`. */
  hop: string
  /** ms since the epoch: when the far end had it whole. */
  at: number
  intact: boolean
}

/** A notice that has arrived. */
export type Told = {
  /** ID of the message that it tells of. */
  about: string
  /** Recipients that failed. */
  failed: string[]
}

export type Arrivals = {
  all: Arrival[]
  told: Told[]
  /** Neither a mail of ours nor a notice: must stay empty. */
  strange: string[]
}

export const createArrivals = (): Arrivals => ({ all: [], told: [], strange: [] })

type Place = { hop: string; addresses: string[]; at: number }

const arrivalsOf = (mail: Pick<Arrival, 'id' | 'n' | 'intact'>, { hop, addresses, at }: Place): Arrival[] =>
  addresses.map((address) => ({ ...mail, address, hop, at }))

const addNotice = (arrivals: Arrivals, content: string, place: Place): void => {
  const notice = readNotice(content)
  const id = /^<(\w+)@/.exec(notice.header['message-id'] ?? '')?.[1]
  const about = notice.status[0]?.['x-sluice-message-id']
  if (id === undefined || about === undefined) throw new Error('a notice without IDs')
  arrivals.all.push(...arrivalsOf({ id, n: null, intact: true }, place))
  const failed = told(notice).flatMap((line) => {
    const [address = '', action] = line.split(' ')
    return action === 'failed' ? [address] : []
  })
  arrivals.told.push({ about, failed })
}

const add = (arrivals: Arrivals, content: string, place: Place): void => {
  const { n, intact } = readMail(content)
  try {
    if (n === null) addNotice(arrivals, content, place)
    else arrivals.all.push(...arrivalsOf({ id: idOf(content), n, intact }, place))
  } catch (fault) {
    arrivals.strange.push(`${place.hop}: ${fault instanceof Error ? fault.message : String(fault)}\n${content.slice(0, 2000)}`)
  }
}

/** Takes what has come to a far end since the last call out of its list. */
export const takeFrom = (arrivals: Arrivals, hop: string, messages: FarEndMessage[]): void => {
  for (const { content, recipients, receivedAt } of messages.splice(0)) {
    add(arrivals, content.toString(), { hop, addresses: recipients.map(({ address }) => address), at: receivedAt })
  }
}

/** All that lies in the Maildirs. @param directory with one folder per domain */
export const readMaildirs = async (arrivals: Arrivals, directory: string, accounts: readonly string[]): Promise<void> => {
  for (const address of accounts) {
    const [local = '', domain = ''] = address.split('@')
    const folder = join(directory, domain, local, 'new')
    for (const name of await readdir(folder).catch((): string[] => [])) {
      const file = join(folder, name)
      // The rename into `new` is what changed last.
      const { ctimeMs } = await stat(file)
      add(arrivals, withoutTrace(await readFile(file, 'utf8')), { hop: 'local', addresses: [address], at: ctimeMs })
    }
  }
}

/** Without the three fields that the mailbox puts before. */
const withoutTrace = (content: string): string => content.replace(/^(?:(?:Return-Path|X-Original-To|Delivered-To):.*\n)+/, '')
