/** What lies in the mailbox of me@sluice.test, read inside its pod: as a mail client on its volume would. */
import { eventually } from '../support/gateway.ts'
import type { Kube } from './kube.ts'

const READ = `const folder = '/data/mail/sluice.test/me/new'
let names = []
try { names = fs.readdirSync(folder) } catch {}
console.log(JSON.stringify(names.map((name) => fs.readFileSync(folder + '/' + name, 'latin1'))))`

export const mailIn = async (kube: Kube): Promise<string[]> =>
  JSON.parse(await kube.exec(`${kube.release}-mailbox-0`, 'node', '-e', READ)) as string[]

const READ_RECIPIENTS = `const folder = '/data/mail/sluice.test/me/new'
let names = []
try { names = fs.readdirSync(folder) } catch {}
const to = (name) => /^To: <(.*)>/m.exec(fs.readFileSync(folder + '/' + name, 'latin1'))
console.log(names.map((name) => to(name)?.[1] ?? '').join(' '))`

/** Whom the mails there name in To, one for each mail. */
export const recipientsIn = async (kube: Kube): Promise<string[]> =>
  (await kube.exec(`${kube.release}-mailbox-0`, 'node', '-e', READ_RECIPIENTS)).split(/\s+/).filter((word) => word !== '')

/** The first mail there that holds the text. @throws after the limit */
export const untilMail = (kube: Kube, text: string, limitMs = 60_000): Promise<string> =>
  eventually(`a mail with ${text}`, async () => (await mailIn(kube)).find((mail) => mail.includes(text)), limitMs, 250)
