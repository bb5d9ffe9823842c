/** A mail comes in by SMTP and goes out to a far end and to a local folder; its ID is everywhere. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventually } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice } from './support/scene.ts'

const far = useFarEnd()
const sluice = useSluice(
  () => `
domains: [{ name: own.test, route: local, postmaster: anna@own.test }]
accounts: [{ address: anna@own.test }]
${allTo(far)}
`,
)

describe('plain delivery', () => {
  it('R-id: the ID of the reply stands in Received, in the log and in trace', async () => {
    const id = await sluice.send('ok@far.test', '--from', 'sender@client.test', '--subject', 'plain')
    const [message] = await far.received(1)
    expect(message?.from).toBe('sender@client.test')
    expect(message?.content.toString()).toMatch(new RegExp(`^Received: from [\\s\\S]*by mx\\.sluice\\.test[\\s\\S]*id ${id}`))
    await eventually('the delivery event', () => sluice.events('delivery').find((line) => line.id === id))
    expect(sluice.events('reception').find((line) => line.id === id)).toMatchObject({ sender: 'sender@client.test' })
    const { stdout, code } = await sluice.cli('trace', id)
    expect(code).toBe(0)
    expect(stdout).toContain('ok@far.test delivered')
    expect((await sluice.cli('queue')).stdout).toBe('The queue is empty.\n')
  })

  it('lands in the folder of a local account', async () => {
    const id = await sluice.send('anna@own.test', '--subject', 'local')
    const folder = join(sluice.folder, 'mail', 'own.test', 'anna', 'new')
    const [name] = await eventually('the mail', async () => {
      const names = await readdir(folder).catch(() => [])
      return names.length > 0 ? names : null
    })
    const mail = await readFile(join(folder, name ?? ''), 'utf8')
    expect(mail).toMatch(/^Return-Path: <anna@own\.test>/)
    expect(mail).toContain(`id ${id}`)
  })
})
