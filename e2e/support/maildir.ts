/** The mails in the folder of a local account. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './gateway.ts'

/** @param folder the data folder of the gateway @returns in the order in which they came */
export const mailsOf = async (folder: string, address: string): Promise<string[]> => {
  const [local = '', domain = ''] = address.split('@')
  const place = join(folder, 'mail', domain, local, 'new')
  const names = await readdir(place).catch((): string[] => [])
  return Promise.all(names.sort().map((name) => readFile(join(place, name), 'utf8')))
}

/** Waits for so many. */
export const awaitMails = (folder: string, address: string, count: number): Promise<string[]> =>
  eventually(`${count} mails for ${address}`, async () => {
    const mails = await mailsOf(folder, address)
    return mails.length >= count ? mails : null
  })
