/** The notice of a running gateway, as it lies in its sender's folder, read by Mailman's bounce parser and Python's mail reader. */
import { expect, it } from 'vitest'
import { awaitMails } from './support/maildir.ts'
import { allTo, useFarEnd, usePython, useSluice } from './support/scene.ts'
import { submit } from './support/wire.ts'
import { runPython } from './tools/python.ts'

const python = usePython()
const far = useFarEnd()
const sluice = useSluice(
  () => `
domains: [{ name: own.test, route: local, postmaster: anna@own.test }]
accounts: [{ address: anna@own.test }]
${allTo(far)}
`,
)

it('R-report: others read from a real notice who failed, why, and what was sent', async () => {
  const content = 'From: <anna@own.test>\r\nSubject: Hello\r\nMessage-ID: <1@client.test>\r\n\r\n.\r\n.. a line\r\n'
  const to = ['reject@far.test', 'ok@far.test']
  const from = 'anna@own.test'
  const parameters = ' RET=FULL ENVID=QQ314159'
  const id = await submit(sluice.smtpPort, { from, to, content, parameters })
  const [notice] = await awaitMails(sluice.folder, from, 1)
  const reading = JSON.parse(await runPython(python, 'read-notice.py', Buffer.from(notice ?? ''))) as Record<string, unknown>
  expect(reading).toMatchObject({
    type: 'multipart/report',
    reportType: 'delivery-status',
    parts: ['text/plain', 'message/delivery-status', 'message/rfc822'],
    defects: [],
    permanent: ['reject@far.test'],
    temporary: [],
    headers: {
      'return-path': '<>',
      from: 'Mail Delivery System <MAILER-DAEMON@mx.sluice.test>',
      to: from,
      'auto-submitted': 'auto-replied',
    },
    status: [
      { 'Reporting-MTA': 'dns; mx.sluice.test', 'Original-Envelope-Id': 'QQ314159' },
      {
        'Final-Recipient': 'rfc822; reject@far.test',
        Action: 'failed',
        Status: '5.1.1',
        'Diagnostic-Code': 'smtp; 550 5.1.1 no such user',
      },
    ],
    returned: { headers: { subject: 'Hello', 'message-id': '<1@client.test>' }, body: '.\n.. a line\n' },
  })
  const text = String(reading.text)
  expect(text).toContain(id)
  expect(text.trimEnd()).toMatch(/S: 220 [\s\S]*C: MAIL FROM:<anna@own\.test>[\s\S]*S: 550 5\.1\.1 no such user/)
})
