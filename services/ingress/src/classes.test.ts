/** Classes: which destinations a message goes to, by what it is and by what its header says. */

import type { ClassFacts } from '@sluice/directory'
import { describe, expect, it } from 'vitest'
import { byClass, classFields } from './classes.ts'
import type { ClassDirectory } from './dependencies.ts'
import { createHeaderScanner } from './headers.ts'
import { sendMessage } from './test-support/client.ts'
import { useIngress } from './test-support/harness.ts'

const { running, greeted } = useIngress()

const asking = (headers: string[] | null, classOf: (facts: ClassFacts) => string): ClassDirectory => ({
  classHeaders: () => (headers === null ? null : new Set(headers)),
  classOf,
})

const scanned = (text: string) => {
  const head = Buffer.from(text)
  const scanner = createHeaderScanner()
  scanner.scan(head, true)
  return { head, fields: scanner.fields }
}

describe('header fields for classes', () => {
  const { head, fields } = scanned(
    'List-Id: Our\r\n list <l.test>\r\nPrecedence: bulk\r\nprecedence:  list \r\nSubject: x\r\n\r\nbody\r\n',
  )

  it('are those that classes ask for, unfolded', () => {
    const found = classFields(
      asking(['list-id', 'precedence', 'x-none'], () => ''),
      head,
      fields,
    )
    expect([...found]).toEqual([
      ['list-id', ['Our list <l.test>']],
      ['precedence', ['bulk', 'list']],
    ])
  })

  it('are not looked at when no class asks', () => {
    const untouchable = new Proxy(fields, {
      get: () => {
        throw new Error('looked at')
      },
    })
    expect(
      classFields(
        asking([], () => ''),
        head,
        untouchable,
      ).size,
    ).toBe(0)
    expect(
      classFields(
        asking(null, () => ''),
        head,
        untouchable,
      ).size,
    ).toBe(0)
  })
})

describe('destinations by class', () => {
  const hops = new Map([
    ['far.test', [{ address: 'a@far.test' }, { address: 'vip@far.test' }]],
    ['two', [{ address: 'b@two.test' }]],
  ])
  const facts = { listener: 'smtp', sender: 's@x.test', sizeBytes: 10, user: null }

  it('are the hops where there are no classes', () => {
    expect(
      byClass(
        asking(null, () => 'bulk'),
        hops,
        facts,
        new Map(),
      ),
    ).toBe(hops)
  })

  it('part the recipients of a hop', () => {
    const directory = asking([], ({ recipient, header }) => (recipient.startsWith('vip') ? '' : (header('precedence')[0] ?? '')))
    const found = byClass(directory, hops, facts, new Map([['precedence', ['bulk']]]))
    expect([...found].map(([name, to]) => [name, to.map(({ address }) => address)])).toEqual([
      ['far.test/bulk', ['a@far.test']],
      ['far.test', ['vip@far.test']],
      ['two/bulk', ['b@two.test']],
    ])
  })
})

describe('a message', () => {
  it('goes to the destinations of its class, by listener, sender, size, user and header', async () => {
    const seen: ClassFacts[] = []
    const client = await greeted({
      trusted: true,
      classes: asking(['list-id'], (given) => {
        seen.push(given)
        return given.header('list-id').length > 0 ? 'lists' : ''
      }),
    })
    await sendMessage(client, 'Subject: x\r\nList-Id: <l.test>\r\n\r\nhello\r\n', ['anna@sluice.test', 'x@far.test'])
    await sendMessage(client, 'Subject: x\r\n\r\nList-Id: no\r\n', ['anna@sluice.test'])
    expect(running.accepted.map(({ destinations }) => [...destinations.keys()])).toEqual([
      ['local/lists', 'far.test/lists'],
      ['local'],
    ])
    const size = running.accepted[0]?.envelope.sizeBytes
    expect(seen[0]).toMatchObject({
      listener: 'smtp',
      sender: 'sender@far.test',
      recipient: 'anna@sluice.test',
      sizeBytes: size,
      user: null,
    })
    client.end()
  })
})
