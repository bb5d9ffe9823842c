import { expect, it } from 'vitest'
import { findPathEnd, parsePath } from './path.ts'

const text = (path: string, utf8 = false): string | null => {
  const parsed = parsePath(path, { utf8 })
  return parsed?.kind === 'mailbox' ? parsed.mailbox.text : (parsed?.kind ?? null)
}

it.each([
  ['<a@b>', 'a@b'],
  ['<>', 'null'],
  ['<PostMaster>', 'postmaster'],
  ['<"a>b"@c>', '"a>b"@c'],
  ['<"a\\">b"@c>', '"a\\">b"@c'],
  ['<@a,@b:user@c>', 'user@c'],
  ['<@[IPv6:2001:db8::1]:user@c>', 'user@c'],
])('R-address: the path %s means %s', (path, expected) => {
  expect(text(path)).toBe(expected)
})

it.each([
  '',
  'a@b',
  '<a@b',
  'a@b>',
  '<a@b>x',
  '<<a@b>>',
  '<@a,b:user@c>',
  '<@a user@c>',
  '<@:user@c>',
  '< a@b>',
  '<a@b >',
  '<anna>',
])('R-address: %j is no path', (path) => {
  expect(text(path)).toBeNull()
})

it('R-address: the end of a path is found behind its quotes', () => {
  expect(findPathEnd('<"a>b"@c> SIZE=1')).toBe(9)
  expect(findPathEnd('<"a>b@c')).toBe(-1)
})
