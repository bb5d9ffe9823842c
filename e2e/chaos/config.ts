/** The config of the gateway. Each process reads its own copy: ports of its own, and lines of its own to what it talks to. */
import { ACCOUNTS, ALIAS, OWN } from './mail.ts'
import type { Shape } from './options.ts'

export type Ports = {
  smtp: number
  lmtp: number
  /** Of the lines to the far ends, by name. */
  fars: Record<string, number>
}

const route = (name: string, port: number, schedule: string): string =>
  `  - { name: ${name}, match: [${name}.test], type: smtp, hosts: ["127.0.0.1:${port}"], schedule: ${schedule}, connections: 20 }`

/** Far ends whose mail waits for them; the others are given up soon, so that their notices come in time. */
const PATIENT = /^far/

export const configText = ({ smtp, lmtp, fars }: Ports, { lanes, store, unknownOutcome }: Shape): string => `
hostname: mx.chaos.test
trustedNetworks: [127.0.0.1/32]
listeners: [{ name: smtp, listen: "127.0.0.1:${smtp}" }]
mailbox: { listen: "127.0.0.1:${lmtp}" }
http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }
redis: { lanes: ${lanes} }
content: { store: ${store}, minFree: 1MiB }
history: { keep: 1h, max: 20000 }
shutdownGrace: 10s
domains: [{ name: ${OWN}, route: local, aliases: { ${ALIAS.address.split('@')[0]}: [${ALIAS.members.join(', ')}] } }]
accounts: [${ACCOUNTS.map((address) => `{ address: ${address} }`).join(', ')}]
schedules:
  patient: { delays: [1s, 1s, 2s, 2s, 3s, 3s${', 5s'.repeat(50)}], jitter: 20% }
  brief: { delays: [1s, 1s, 2s, 3s] }
schedule: patient
delivery:
  unknownOutcome: ${unknownOutcome}
  timeouts: { connect: 5s, greeting: 5s, ehlo: 5s, mail: 5s, rcpt: 5s, data: 5s, block: 10s, dot: 20s }
routes:
  - { name: local, type: local }
${Object.entries(fars)
  .map(([name, port]) => route(name, port, PATIENT.test(name) ? 'patient' : 'brief'))
  .join('\n')}
`
