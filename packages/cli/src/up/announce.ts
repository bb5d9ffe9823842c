/** What `sluice up` tells people once everything runs: where it listens, how to send a first mail, and where that lands. */
import { dirname, join } from 'node:path'
import type { Config } from '@sluice/directory'
import { accountFolder } from '@sluice/mailbox/account-folder'
import { formatAddress, type Listening } from '@sluice/runtime'

/** The way a message takes. */
const ORDER = ['ingress', 'spooler', 'delivery-agent', 'mailbox']

const shown = ({ address, port }: Listening): string => formatAddress({ host: address, port })

/** Where a client on this machine connects. */
const reachable = ({ address, port }: Listening): string =>
  formatAddress({ host: address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address, port })

/** The command, and what is known of where its mail goes; null when no address is known that this gateway takes mail for. */
const firstMail = (config: Config, ingress: Listening[], sluice: string): string[] => {
  const smtp = ingress.find(({ name }) => name !== 'http')
  const account = config.accounts[0]
  if (smtp === undefined || account === undefined) return []
  const server = config.listeners.some(({ implicitTls, name }) => implicitTls && name === smtp.name) ? undefined : reachable(smtp)
  if (server === undefined) return []
  const lands = join(accountFolder(config.mailbox.directory, account.address), 'new')
  return ['Send a first mail:', `  ${sluice} send --to ${account.address} --server ${server}`, 'It lands in:', `  ${lands}`]
}

const sluiceCommand = (): string => {
  const file = join(dirname(dirname(dirname(dirname(import.meta.dirname)))), 'bin', 'sluice')
  return /^[\w/.+-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`
}

/** @returns lines, without the final `ready` */
export const announcement = (config: Config, listening: Map<string, Listening[]>, dataPath: string, redis: string): string[] => {
  const places = ORDER.flatMap((service) => (listening.get(service) ?? []).map((place) => ({ service, place })))
  const isFigures = (place: Listening): boolean => place.name === 'http'
  const rows: [string, string][] = [
    ...places.flatMap(({ place }): [string, string][] => (isFigures(place) ? [] : [[place.name, shown(place)]])),
    ...places.flatMap(({ service, place }): [string, string][] =>
      isFigures(place) ? [[`${service} figures`, `http://${shown(place)}/metrics`]] : [],
    ),
    ['redis', redis],
    ['data folder', dataPath],
  ]
  if (listening.has('mailbox')) rows.push(['mail folder', config.mailbox.directory])
  const width = Math.max(...rows.map(([name]) => name.length)) + 2
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}${value}`),
    ...firstMail(config, listening.get('ingress') ?? [], sluiceCommand()),
  ]
}
