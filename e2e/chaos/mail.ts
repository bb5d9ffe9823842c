/**
 * The mails of a run: number N of a seed is always the same one. Local parts name what the far end does with them (far-end.ts of
 * the testkit); the domain names the far end. Number and check sum travel in the mail, so that an arrival says what it is.
 */
import { crc32 } from 'node:zlib'
import { createRandom, type Random } from './random.ts'

export type Mail = {
  n: number
  kind: Kind
  /** '' for the null reverse-path */
  from: string
  /** As the client names them. */
  to: string[]
  /** Whom it has to reach, aliases followed. */
  reaches: string[]
  bodyBytes: number
}

type Kind = 'one' | 'several' | 'local' | 'alias' | 'large' | 'refusing' | 'breaking' | 'closed' | 'bad-sender' | 'null-sender'

const MIX: readonly (readonly [number, Kind])[] = [
  [42, 'one'],
  [15, 'several'],
  [12, 'local'],
  [5, 'alias'],
  [1, 'large'],
  [15, 'refusing'],
  [4, 'breaking'],
  [2, 'closed'],
  [2, 'bad-sender'],
  [2, 'null-sender'],
]

export const STEADY = ['far0.test', 'far1.test', 'far2.test'] as const
export const OWN = 'own.test'
export const ACCOUNTS = ['anna@own.test', 'ben@own.test', 'carol@own.test'] as const
export const ALIAS = { address: 'team@own.test', members: ['anna@own.test', 'ben@own.test', 'list@far1.test'] } as const

/** A refusal at every stage, temporary and permanent. */
const REFUSING = [
  ...[
    'reject',
    'tempfail',
    'tempfail-once',
    'tempfail-2',
    'full',
    'full-552',
    'toomany',
    'bad-sequence',
    'nonsense',
    'multiline',
  ],
  ...['refuse-data', 'tempfail-at-data', 'reject-data', 'tempfail-data', 'full-data', 'slow'],
]
/** The connection ends, or nothing comes, at every stage. */
const BREAKING = [
  ...[
    '421-at-rcpt',
    'disconnect-at-rcpt',
    '421-at-data',
    'disconnect-at-data',
    'disconnect-in-data',
    'disconnect-after-dot-once',
  ],
  'never-answer-rcpt',
]
export const LARGE_BYTES = 300 * 1024

const recipientsOf = (kind: Kind, n: number, random: Random): string[] => {
  const steady = (): string => `ok+${n}@${random.pick(STEADY)}`
  switch (kind) {
    case 'one':
    case 'large':
      return [steady()]
    case 'several':
      return random
        .shuffled([...STEADY.map((domain) => `ok+${n}@${domain}`), ...ACCOUNTS, `tempfail-once+${n}@soft.test`])
        .slice(0, random.between(2, 5))
    case 'local':
      return random.shuffled(ACCOUNTS).slice(
        0,
        random.weighted([
          [4, 1],
          [1, 2],
        ]),
      )
    case 'alias':
      return [ALIAS.address]
    case 'refusing':
      return [`${random.pick(REFUSING)}+${n}@soft.test`, ...(random.next() < 0.2 ? [`ok+${n}@soft.test`] : [])]
    case 'breaking':
      return [`${random.pick(BREAKING)}+${n}@hard.test`]
    case 'closed':
      return [`ok+${n}@closed.test`]
    case 'bad-sender':
      return [`ok+${n}@soft.test`]
    case 'null-sender':
      return [random.pick([`reject+${n}@soft.test`, `ok+${n}@far0.test`])]
  }
}

export const mailOf = (seed: number, n: number): Mail => {
  const random = createRandom(seed, `mail ${n}`)
  const kind = random.weighted(MIX)
  const to = recipientsOf(kind, n, random)
  const sender = random.pick([`sender+${n}@far1.test`, 'carol@own.test'])
  const bad = `${random.pick(['reject-mail', 'tempfail-mail'])}+${n}@far1.test`
  return {
    n,
    kind,
    from: kind === 'null-sender' ? '' : kind === 'bad-sender' ? bad : sender,
    to,
    reaches: kind === 'alias' ? [...ALIAS.members] : to,
    bodyBytes: kind === 'large' ? LARGE_BYTES : random.between(100, 3000),
  }
}

/** Its far end takes it, sooner or later, and refuses it never for good: a bounce would be of our making, unless its time ran out. */
export const isWelcome = (address: string): boolean => /@far\d\.test$|@own\.test$/.test(address)

const bodyOf = ({ n, bodyBytes }: Mail): string => {
  const line = `mail ${n}: what was said goes on, ${'.'.repeat(n % 40)}\r\n.a line that begins with a dot\r\n`
  return line.repeat(Math.ceil(bodyBytes / line.length))
}

const plain = (text: string): string => text.replaceAll('\r\n', '\n')

/** With dots stuffed and the final dot. */
export const contentOf = (mail: Mail): string => {
  const body = bodyOf(mail)
  const head = [
    `From: <${mail.from || 'nobody@chaos.test'}>`,
    `To: <${mail.to.join('>, <')}>`,
    `Subject: chaos ${mail.n}`,
    `Message-ID: <c${mail.n}@chaos.test>`,
    'Date: Mon, 1 Jun 2026 10:00:00 +0000',
    `X-Chaos-Check: ${crc32(plain(body))}`,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body.replace(/^\./gm, '..')}.\r\n`
}

export type ReadMail = {
  /** null: none of ours, a notice. */
  n: number | null
  /** The check sum holds. */
  intact: boolean
}

/** @param content whole, with either line end */
export const readMail = (content: string): ReadMail => {
  const text = plain(content)
  const end = text.indexOf('\n\n')
  const head = text.slice(0, end)
  const n = /^Message-ID: <c(\d+)@chaos\.test>$/m.exec(head)?.[1]
  const check = /^X-Chaos-Check: (\d+)$/m.exec(head)?.[1]
  return { n: n === undefined ? null : Number(n), intact: Number(check) === crc32(text.slice(end + 2)) }
}
