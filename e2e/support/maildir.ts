/** The mails in the folder of a local account. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './gateway.ts'

const placeOf = (folder: string, address: string): string => {
  const [local = '', domain = ''] = address.split('@')
  return join(folder, 'mail', domain, local, 'new')
}
const namesIn = (place: string): Promise<string[]> => readdir(place).catch((): string[] => [])
const read = (place: string, names: string[]): Promise<string[]> =>
  Promise.all(names.map((name) => readFile(join(place, name), 'utf8')))

/** All of them, in no order. @param folder the data folder of the gateway */
export const mailsOf = async (folder: string, address: string): Promise<string[]> => {
  const place = placeOf(folder, address)
  return read(place, await namesIn(place))
}

/** @returns a function that gives the mails that have come since its last call @param sluice the gateway, which may start later */
export const watchMails = (sluice: { folder: string }, address: string): (() => Promise<string[]>) => {
  const seen = new Set<string>()
  return async () => {
    const place = placeOf(sluice.folder, address)
    const fresh = (await namesIn(place)).filter((name) => !seen.has(name))
    for (const name of fresh) seen.add(name)
    return read(place, fresh)
  }
}

/** Waits until so many are there. */
export const awaitMails = (folder: string, address: string, count: number): Promise<string[]> =>
  eventually(`${count} mails for ${address}`, async () => {
    const mails = await mailsOf(folder, address)
    return mails.length >= count ? mails : null
  })
