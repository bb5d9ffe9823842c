/** Listeners on IPv6 and on both families at once, and a far end that has IPv6 only. */
import { freePort } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { eventually } from './support/gateway.ts'
import { useFarEnd, useSluice } from './support/scene.ts'
import { openWire, submit } from './support/wire.ts'

// Fails with EADDRNOTAVAIL on a machine whose loopback interface has no IPv6: the rule cannot be proven there.
const far = useFarEnd({ host: '::1' })
let v6Port: number
const sluice = useSluice(async () => {
  v6Port = await freePort()
  return `
trustedNetworks: [127.0.0.1/32, "::1"]
listeners:
  - { name: dual, listen: $SMTP }
  - { name: six, listen: "[::1]:${v6Port}" }
routes: [{ name: far, match: ["*"], type: smtp, hosts: ["[::1]:${far.port}"] }]
`
})

const content = 'From: <sender@client.test>\r\nSubject: six\r\n\r\nA line\r\n'

it('R-dual: a bare port takes IPv4 and IPv6, an IPv6 address its own; each client is trusted and named by its address', async () => {
  const cases = [
    { port: sluice.smtpPort, host: '127.0.0.1', literal: '[127.0.0.1]' },
    { port: sluice.smtpPort, host: '::1', literal: '[IPv6:::1]' },
    { port: v6Port, host: '::1', literal: '[IPv6:::1]' },
  ]
  for (const { port, host, literal } of cases) {
    const id = await submit(port, { from: 'sender@client.test', to: ['ok@far.test'], content }, host)
    const message = await eventually('the mail', () => far.messages.find((one) => one.content.includes(`id ${id}`)))
    expect(message.content.toString()).toMatch(/^Received: from client\.test \(/)
    expect(message.content.toString()).toContain(`Received: from client.test (${literal})`)
    expect(sluice.events('reception').find((line) => line.id === id)).toMatchObject({ client: host })
  }
  await expect(openWire(v6Port, '127.0.0.1')).rejects.toThrow('ECONNREFUSED')
})
