/** A Dovecot with a config, users and mail of its own: LMTP, log-ins for others (SASL), and `doveadm`, the reader. */
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startProgram, waitForPort } from '@sluice/testkit'
import { type Result, runProgram } from './gateway.ts'

/** uid and gid of Debian's nobody, who owns the mail: Dovecot refuses to be root for that. */
const NOBODY = 65_534

const configText = (folder: string, port: number): string => `
import_environment = TZ SLUICE_TEST_RUN
base_dir = ${folder}/run
state_dir = ${folder}/run
log_path = ${folder}/log
protocols = lmtp
ssl = no
listen = 127.0.0.1
hostname = dovecot.test
mail_location = maildir:${folder}/mail/%u
mail_uid = ${NOBODY}
mail_gid = ${NOBODY}
first_valid_uid = 1
recipient_delimiter = +
auth_mechanisms = plain login
passdb {
  driver = passwd-file
  args = ${folder}/users
}
userdb {
  driver = passwd-file
  args = ${folder}/users
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
service auth {
  unix_listener ${folder}/auth {
    mode = 0666
  }
}
`

export type Dovecot = {
  /** LMTP. */
  port: number
  folder: string
  /** For `smtpd_sasl_path`. */
  authSocket: string
  log: () => Promise<string>
  /** `doveadm ARGS`. */
  doveadm: (...args: string[]) => Promise<Result>
  stop: () => Promise<void>
}

/** @param options.users names, which may be addresses, and their passwords; all others are unknown (550 5.1.1) */
export const startDovecot = async (options: { users: Record<string, string> }): Promise<Dovecot> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-dovecot-'))
  const port = await freePort()
  await chmod(folder, 0o755)
  await mkdir(join(folder, 'mail'))
  await chown(join(folder, 'mail'), NOBODY, NOBODY)
  const users = Object.entries(options.users).map(([name, password]) => `${name}:{PLAIN}${password}::::::\n`)
  await writeFile(join(folder, 'users'), users.join(''))
  const config = join(folder, 'dovecot.conf')
  await writeFile(config, configText(folder, port))
  const log = (): Promise<string> => readFile(join(folder, 'log'), 'utf8').catch(() => '')
  const program = await startProgram('dovecot', ['-F', '-c', config])
  const stop = async (): Promise<void> => {
    await program.stop('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await waitForPort(port, program)
  } catch (error) {
    const said = await log()
    await stop()
    throw new Error(`Dovecot does not listen:\n${said}`, { cause: error })
  }
  const doveadm = (...args: string[]): Promise<Result> => runProgram('doveadm', ['-c', config, ...args])
  return { port, folder, authSocket: join(folder, 'auth'), log, doveadm, stop }
}
