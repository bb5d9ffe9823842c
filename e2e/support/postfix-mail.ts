/** Postfix as a far end that keeps mail: recipients of its own, each with a Maildir, read as bytes. */
import { chmod, chown, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startPostfix, type TestPostfix } from '@sluice/testkit'
import { eventually } from './gateway.ts'

/** uid and gid of Debian's nobody, who owns the mail. */
const NOBODY = 65_534

export type MailPostfix = TestPostfix & {
  /** Waits until a user has so many mails (any order), and gives them with the line ends of the wire. */
  mails: (user: string, count?: number) => Promise<Buffer[]>
  /** How many mails a user has now. */
  count: (user: string) => Promise<number>
}

const toWire = (mail: Buffer): Buffer => Buffer.from(mail.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')

/** @param users local parts at `domain`; all others are unknown (550 5.1.1) */
export const startMailPostfix = async (
  domain: string,
  users: string[],
  parameters: Record<string, string> = {},
  files: Record<string, string> = {},
): Promise<MailPostfix> => {
  const postfix = await startPostfix({
    parameters: {
      virtual_mailbox_domains: domain,
      virtual_mailbox_base: '$FOLDER/mail',
      virtual_mailbox_maps: `inline:{ ${users.map((user) => `{ ${user}@${domain} = ${user}/ }`).join(', ')} }`,
      virtual_uid_maps: `static:${NOBODY}`,
      virtual_gid_maps: `static:${NOBODY}`,
      virtual_mailbox_limit: '0',
      ...parameters,
    },
    files,
  })
  const mail = join(postfix.folder, 'mail')
  await mkdir(mail)
  await chmod(mail, 0o755)
  await chown(mail, NOBODY, NOBODY)
  const newOf = (user: string): string => join(mail, user, 'new')
  const namesOf = (user: string): Promise<string[]> => readdir(newOf(user)).catch(() => [])
  return {
    ...postfix,
    count: async (user) => (await namesOf(user)).length,
    mails: async (user, count = 1) => {
      const names = await eventually(`${count} mails for ${user}`, async () => {
        const found = await namesOf(user)
        return found.length >= count && found
      }).catch(async (error: unknown) => {
        throw new Error(`no mail; Postfix says:\n${await postfix.log()}`, { cause: error })
      })
      return Promise.all(names.map(async (name) => toWire(await readFile(join(newOf(user), name)))))
    },
  }
}

/** The content as its sender wrote it: without the trace fields that went on top, up to `first`, its first line. */
export const fromLine = (mail: Buffer, first: string): Buffer => mail.subarray(mail.indexOf(`\r\n${first}`) + 2)
