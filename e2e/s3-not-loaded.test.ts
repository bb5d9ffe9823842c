/** What the content store s3 costs where nobody asked for it: its code is not loaded, by any service, whatever the mail. */
import { startS3 } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually, startSluice } from './support/gateway.ts'
import { type Import, importsOf, SERVICES, startImports } from './support/imports.ts'
import { annaAndAllTo, useFarEnd, useStarted } from './support/scene.ts'

const far = useFarEnd()
const notes = useStarted(startImports)

const s3In = (imports: readonly Import[]): string[] =>
  imports.map(({ url }) => url).filter((url) => /\/content-store\/src\/s3\/|\/node_modules\/aws4fetch\//.test(url))

/** Mail that the content store holds, to a far end and to a folder of ours, through a gateway whose imports are written down. */
const tryOut = async (content: string, isSeen: (imports: Import[]) => boolean): Promise<Import[]> => {
  await notes.forget()
  const sluice = await startSluice({ config: `content: ${content}\n${annaAndAllTo(far)}`, env: notes.env })
  try {
    const body = `${'a line of large mail\r\n'.repeat(100)}the end`
    await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['ok@far.test', 'anna@own.test'], body })
    await eventually('both deliveries', () => sluice.events('delivery').length === 2)
    return await eventually('the imports', async () => {
      const imports = await notes.all()
      return isSeen(imports) ? imports : null
    })
  } finally {
    await sluice.stop()
  }
}

/** So that it is seen that the test below would see something. */
it('the store s3 is loaded by the services that hold contents, and not by the mailbox', async () => {
  const s3 = await startS3('s3rver')
  try {
    const keys = `accessKeyFile: ${s3.accessKeyFile}, secretKeyFile: ${s3.secretKeyFile}`
    const content = `{ store: s3, threshold: 1KiB, s3: { endpoint: "${s3.endpoint}", bucket: ${s3.bucket}, ${keys} } }`
    const holders = ['ingress', 'spooler', 'delivery-agent'] as const
    const loads = (imports: Import[]) => (service: (typeof holders)[number]) => s3In(importsOf(service, imports)).length > 0
    const imports = await tryOut(content, (found) => holders.every(loads(found)))
    expect(s3In(importsOf('mailbox', imports))).toEqual([])
    expect(s3In(imports).join()).toContain('/aws4fetch/')
  } finally {
    await s3.stop()
  }
})

it.each(['redis', 'file'])('the store %s: no service loads any of it', async (store) => {
  const imports = await tryOut(`{ store: ${store}, threshold: 1KiB }`, (found) =>
    SERVICES.every((service) => importsOf(service, found).length > 0),
  )
  expect(s3In(imports)).toEqual([])
})
