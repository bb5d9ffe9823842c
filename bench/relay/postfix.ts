/**
 * Postfix with a config and a queue of its own, tuned for throughput as its TUNING_README says: enough processes for every
 * connection, a delivery for each from the start, connections to the smarthost cached, no wait at its door, no
 * chroot. Its durability is left as it comes: every queue file is synced before the 250, as Sluice does with its log.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '@sluice/testkit'
import type { Contender } from './contender.ts'
import { runProgram, waitForPort } from './program.ts'

const mainConfig = (folder: string, sinkPort: number): string => `
compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
myhostname = postfix.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
relayhost = [127.0.0.1]:${sinkPort}
alias_maps =
alias_database =
local_recipient_maps =

# TUNING_README
default_process_limit = 100
in_flow_delay = 0
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
initial_destination_concurrency = 20
default_destination_concurrency_limit = 20
smtp_connection_cache_destinations = static:all
`

const masterConfig = (port: number): string => `
127.0.0.1:${port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
`

const STOP_WITHIN_MS = 15_000

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** `postfix stop` returns before the last process has gone; the master's id tells. */
const stopPostfix = async (config: string, queue: string): Promise<void> => {
  const master = Number(await readFile(join(queue, 'pid', 'master.pid'), 'utf8').catch(() => '0'))
  await runProgram('postfix', ['-c', config, 'stop'])
  const lateAt = Date.now() + STOP_WITHIN_MS
  while (master > 0 && isAlive(master)) {
    if (Date.now() > lateAt) throw new Error(`Postfix (process ${master}) did not stop`)
    await pause(50)
  }
}

export const postfix: Contender = {
  name: 'Postfix',
  obstacle: () =>
    process.getuid?.() === 0 ? null : 'Postfix can only be started by root: run this as root, or with --only sluice',
  start: async ({ folder, sinkPort }) => {
    const port = await freePort()
    const config = join(folder, 'config')
    for (const name of ['config', 'queue', 'data']) await mkdir(join(folder, name), { recursive: true })
    await chmod(folder, 0o755)
    await runProgram('chown', ['postfix', join(folder, 'data')])
    await writeFile(join(config, 'main.cf'), mainConfig(folder, sinkPort))
    await writeFile(join(config, 'master.cf'), masterConfig(port))
    await runProgram('postfix', ['-c', config, 'start'])
    const stop = (): Promise<void> => stopPostfix(config, join(folder, 'queue'))
    try {
      await waitForPort(port)
    } catch (error) {
      await stop()
      throw error
    }
    return { port, stop }
  },
}
