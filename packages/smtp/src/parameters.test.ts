import { describe, expect, it } from 'vitest'
import { parseMailCommand, parseRcptCommand } from './parameters.ts'

const code = (parsed: ReturnType<typeof parseMailCommand> | ReturnType<typeof parseRcptCommand>): string =>
  parsed.kind === 'ok' ? 'ok' : `${parsed.reply.code} ${parsed.reply.enhanced}`

it('R-order: MAIL with every parameter is understood', () => {
  expect(parseMailCommand('MAIL FROM:<a@b.example> size=100 BODY=8BITMIME SMTPUTF8 RET=hdrs ENVID=x+2By AUTH=<>')).toMatchObject({
    kind: 'ok',
    command: {
      path: { mailbox: { text: 'a@b.example' } },
      sizeBytes: 100,
      body: '8bit',
      smtputf8: true,
      ret: 'HDRS',
      envid: 'x+y',
      auth: '<>',
    },
  })
  expect(parseMailCommand('mail from: <>')).toMatchObject({ kind: 'ok', command: { path: { kind: 'null' } } })
})

it('R-dsn-pass: RCPT with NOTIFY and ORCPT is understood', () => {
  expect(
    parseRcptCommand('RCPT TO:<"a b"@c.example> NOTIFY=success,FAILURE,SUCCESS ORCPT=rfc822;x+2By@d', { utf8: false }),
  ).toMatchObject({
    kind: 'ok',
    command: { path: { mailbox: { text: '"a b"@c.example' } }, notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;x+y@d' },
  })
})

describe('errors come as replies', () => {
  it.each([
    ['MAIL FROM:<a..b@c>', '501 5.1.7'],
    ['MAIL FROM:a@c', '501 5.1.7'],
    ['MAIL FROM:<postmaster>', '501 5.1.7'],
    ['MAIL FROM:<ü@c>', '553 5.6.7'],
    ['MAIL FROM:<ü..@c>', '501 5.1.7'],
    ['MAIL TO:<a@c>', '501 5.5.4'],
    ['MAIL FROM:<a@c>SIZE=1', '501 5.5.4'],
    ['MAIL FROM:<a@c> SIZE=1 SIZE=2', '501 5.5.4'],
    ['MAIL FROM:<a@c> SIZE=-1', '501 5.5.4'],
    ['MAIL FROM:<a@c> SIZE', '501 5.5.4'],
    ['MAIL FROM:<a@c> BODY=BINARYMIME', '501 5.5.4'],
    ['MAIL FROM:<a@c> RET=ALL', '501 5.5.4'],
    ['MAIL FROM:<a@c> ENVID=a+0Ab', '501 5.5.4'],
    ['MAIL FROM:<a@c> SMTPUTF8=1', '501 5.5.4'],
    ['MAIL FROM:<a@c> X=1', '555 5.5.4'],
  ])('R-order: %s gets %s', (line, expected) => {
    expect(code(parseMailCommand(line))).toBe(expected)
  })

  it.each([
    ['RCPT TO:<a b@c>', '501 5.1.3'],
    ['RCPT TO:<>', '501 5.1.3'],
    ['RCPT TO:<ü@c>', '553 5.6.7'],
    ['RCPT TO:<a@c> NOTIFY=NEVER,SUCCESS', '501 5.5.4'],
    ['RCPT TO:<a@c> NOTIFY=', '501 5.5.4'],
    ['RCPT TO:<a@c> NOTIFY=ALWAYS', '501 5.5.4'],
    ['RCPT TO:<a@c> ORCPT=a@c', '501 5.5.4'],
    ['RCPT TO:<a@c> ORCPT=utf-8;ü@c', '501 5.5.4'],
    ['RCPT TO:<a@c> SIZE=1', '555 5.5.4'],
  ])('R-order: %s gets %s', (line, expected) => {
    expect(code(parseRcptCommand(line, { utf8: false }))).toBe(expected)
  })

  it('R-address: a UTF-8 recipient is taken once MAIL said SMTPUTF8', () => {
    expect(code(parseRcptCommand('RCPT TO:<ü@c> ORCPT=utf-8;ü@c', { utf8: true }))).toBe('ok')
  })
})
