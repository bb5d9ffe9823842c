import { expect, it } from 'vitest'
import { redactCommand, redactTranscript } from './redact.ts'

it.each([
  ['AUTH PLAIN AGFubmEAc2VjcmV0', 'AUTH PLAIN [redacted]'],
  ['auth login YW5uYQ==', 'auth login [redacted]'],
  ['AUTH LOGIN', 'AUTH LOGIN'],
  ['AUTH XOAUTH2 dXNlcj1hbm5h extra', 'AUTH XOAUTH2 [redacted]'],
  ['AUTHOR x', 'AUTHOR x'],
  ['MAIL FROM:<a@b> AUTH=<>', 'MAIL FROM:<a@b> AUTH=<>'],
])('R-transcript: %s stands as %s', (line, expected) => {
  expect(redactCommand(line)).toBe(expected)
})

it('R-transcript: what answers a 334 is redacted, and only that', () => {
  const lines = [
    'S: 220 hi',
    'C: AUTH LOGIN',
    'S: 334 VXNlcm5hbWU6',
    '# waiting',
    'C: YW5uYQ==',
    'S: 334 UGFzc3dvcmQ6',
    'C: c2VjcmV0',
    'S: 235 ok',
  ]
  const redacted = redactTranscript([...lines, 'C: MAIL FROM:<a@b>', 'S: 250 ok'])
  expect(redacted.join('\n')).not.toMatch(/YW5uYQ|c2VjcmV0/)
  expect(redacted.slice(-2)).toEqual(['C: MAIL FROM:<a@b>', 'S: 250 ok'])
  expect(redactCommand('*', true)).toBe('*')
})
