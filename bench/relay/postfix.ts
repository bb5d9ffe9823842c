/**
 * Postfix, tuned for throughput as its TUNING_README says: enough processes for every connection, a delivery for each from the
 * start, connections to the smarthost cached, no wait at its door, no chroot. Its durability is left as it comes: every queue
 * file is synced before the 250, as Sluice does with its log.
 */
import { startPostfix } from '@sluice/testkit'
import type { Contender } from './contender.ts'

const tuned = (sinkPort: number): Record<string, string> => ({
  // Its log goes to syslog, as it does by default.
  maillog_file: '',
  myhostname: 'postfix.bench.test',
  relayhost: `[127.0.0.1]:${sinkPort}`,
  default_process_limit: '100',
  in_flow_delay: '0',
  smtpd_client_connection_count_limit: '0',
  initial_destination_concurrency: '20',
  default_destination_concurrency_limit: '20',
  smtp_connection_cache_destinations: 'static:all',
})

export const postfix: Contender = {
  name: 'Postfix',
  obstacle: () =>
    process.getuid?.() === 0 ? null : 'Postfix can only be started by root: run this as root, or with --only sluice',
  start: async ({ folder, sinkPort }) => {
    const { port, stop } = await startPostfix({ folder, parameters: tuned(sinkPort) })
    return { port, stop }
  },
}
