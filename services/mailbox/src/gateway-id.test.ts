import { expect, it } from 'vitest'
import { gatewayId } from './gateway-id.ts'

const ID = '01KAPQ3NDEKTSV4RRF'
const OURS = `Received: from client.test ([192.0.2.1])\r\n\tby mx.sluice.test with ESMTPSA\r\n\t(TLSv1.3 AES)\r\n\tid ${ID} for <a@b.test>;\r\n\tSun, 1 Nov 2026 10:00:00 +0000\r\n`
const NOTICE = `Message-ID: <${ID}@mx.sluice.test>\r\n`

it.each<[string, string | null, string | null, string | null]>([
  ['Received of ingress', OURS, null, ID],
  ['Received of ingress for several recipients', OURS.replace(' for <a@b.test>', ''), NOTICE.replace(ID, 'other'), ID],
  ['Received of ingress, of a client whose name looks like more', OURS.replace('client.test', 'id;with'), null, ID],
  ['Received of another host', OURS.replace('by mx.sluice.test', 'by mx.example.org'), NOTICE, null],
  ['Received without an ID', 'Received: from a by mx.sluice.test with SMTP; Sun, 1 Nov 2026 10:00:00 +0000\r\n', null, null],
  ['Message-ID of a notice', null, NOTICE, ID],
  ['Message-ID of another host', null, NOTICE.replace('mx.sluice.test', 'example.org'), null],
  ['Message-ID that is none', null, 'Message-ID: what?\r\n', null],
  ['nothing', null, null, null],
])('%s', (_what, received, messageId, id) => {
  expect(gatewayId(received, messageId, 'mx.sluice.test')).toBe(id)
})
