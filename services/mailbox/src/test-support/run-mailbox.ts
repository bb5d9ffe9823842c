/**
 * A mailbox service in a process of its own, for tests that limit or measure it. Prints its port, and on SIGTERM how much
 * resident memory it had at most, in KiB. Argument: the directory.
 */
import { createLogger, createMetrics } from '@sluice/runtime'
import { createMailbox } from '../mailbox.ts'
import { configOf } from './config.ts'

const directory = process.argv[2] ?? ''
const mailbox = createMailbox({
  config: configOf(directory),
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
