/**
 * A mailbox service in a process of its own, for tests that limit or measure it. Prints its port, and on SIGTERM how much
 * resident memory it had at most, in KiB. Argument: the directory.
 */
import { createLogger, createMetrics } from '@sluice/runtime'
import { createMailbox } from '../mailbox.ts'

const directory = process.argv[2] ?? ''
const mailbox = createMailbox({
  config: {
    hostname: 'mx.sluice.test',
    limits: {
      sizeBytes: 26_214_400,
      recipients: 1000,
      hops: 100,
      errors: 20,
      noops: 100,
      connections: 50,
      connectionsPerClient: 50,
      idleMs: 60_000,
      sessionMs: 60_000,
      commandLineBytes: 2048,
    },
    mailbox: { listen: { host: '127.0.0.1', port: 0 }, directory },
    shutdownGraceMs: 300,
  },
  directory: { account: (address) => (address.startsWith('nobody') ? null : { address, quotaBytes: null, password: null }) },
  log: createLogger({ level: 'error', service: 'mailbox', destination: { write: () => {} } }),
  metrics: createMetrics('mailbox'),
  now: Date.now,
})
const { port } = await mailbox.listen()
console.log(port)
process.once('SIGTERM', () => {
  console.log(process.resourceUsage().maxRSS)
  mailbox.close()
})
