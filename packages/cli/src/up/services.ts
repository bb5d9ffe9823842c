/**
 * The services of a gateway, in the order in which they start; they stop in the opposite one, so that ingress is the first.
 * Their code is loaded only where they run: the supervisor of processes does without.
 */
import type { Config, ConfigSource } from '@sluice/directory'
import type { Listening, Log } from '@sluice/runtime'

export type Running = { listening: Listening[]; close: () => Promise<void> }

type Start = (config: Config, options: { log: Log; source: ConfigSource | null }) => Promise<Running>

export type Service = {
  name: 'mailbox' | 'delivery-agent' | 'spooler' | 'ingress'
  isNeeded: (config: Config) => boolean
  /** For --single-process. */
  load: () => Promise<Start>
}

const always = (): boolean => true

/** Local mail: an account, or a route that leads to the mailbox. */
const keepsMail = (config: Config): boolean => config.accounts.length > 0 || config.routes.some(({ type }) => type === 'local')

export const SERVICES: readonly Service[] = [
  { name: 'mailbox', isNeeded: keepsMail, load: async () => (await import('@sluice/mailbox')).startMailbox },
  { name: 'delivery-agent', isNeeded: always, load: async () => (await import('@sluice/delivery-agent')).startDeliveryAgent },
  { name: 'spooler', isNeeded: always, load: async () => (await import('@sluice/spooler')).startSpooler },
  { name: 'ingress', isNeeded: always, load: async () => (await import('@sluice/ingress')).startIngress },
]
