/** The services of a gateway, in the order in which they start; they stop in the opposite one, so that ingress is the first. */
import { startDeliveryAgent } from '@sluice/delivery-agent'
import type { Config } from '@sluice/directory'
import { startIngress } from '@sluice/ingress'
import { startMailbox } from '@sluice/mailbox'
import type { Listening, Log } from '@sluice/runtime'
import { startSpooler } from '@sluice/spooler'

export type Running = { listening: Listening[]; close: () => Promise<void> }

export type Service = {
  name: 'mailbox' | 'delivery-agent' | 'spooler' | 'ingress'
  isNeeded: (config: Config) => boolean
  /** For --single-process. */
  start: (config: Config, options: { log: Log }) => Promise<Running>
}

const always = (): boolean => true

/** Local mail: an account, or a route that leads to the mailbox. */
const keepsMail = (config: Config): boolean => config.accounts.length > 0 || config.routes.some(({ type }) => type === 'local')

export const SERVICES: readonly Service[] = [
  { name: 'mailbox', isNeeded: keepsMail, start: startMailbox },
  { name: 'delivery-agent', isNeeded: always, start: startDeliveryAgent },
  { name: 'spooler', isNeeded: always, start: startSpooler },
  { name: 'ingress', isNeeded: always, start: startIngress },
]
