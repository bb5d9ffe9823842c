/** What the image's files must agree on with the rest of the tree: nobody would notice before an image is built. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NODE_FLAGS } from '@sluice/runtime'
import { describe, expect, it } from 'vitest'
import { BASE_IMAGE, ROOT, readOptions, referenceOf } from './options.ts'

const dockerfile = (): Promise<string> => readFile(join(ROOT, 'Dockerfiles', 'service.Dockerfile'), 'utf8')

describe('the Dockerfile', () => {
  it('starts Node.js with the flags that every service is started with', async () => {
    const [, entry = '[]'] = /^ENTRYPOINT (.*)$/m.exec(await dockerfile()) ?? []
    expect(JSON.parse(entry)).toEqual(['/usr/local/bin/node', ...NODE_FLAGS, '/app/main.js'])
  })

  it('needs no syntax from afar, and its base is the one that sizes are measured against', async () => {
    const text = await dockerfile()
    expect(text).not.toMatch(/^#\s*syntax=/m)
    expect(text).toContain(`ARG BASE_IMAGE=${BASE_IMAGE}\n`)
  })
})

describe('npm run images', () => {
  it('builds every service under one tag, and takes flags of the builder behind --', async () => {
    const options = await readOptions(['--tag', 'x1', '--registry', 'r.test:5000', '--', '--network', 'host'], {
      SLUICE_BUILD_FLAGS: '--pull-never ',
    })
    if (options === null) throw new Error('no help was asked for')
    expect(options.services).toEqual(expect.arrayContaining(['delivery-agent', 'ingress', 'mailbox', 'spooler']))
    expect(options.services.map((service) => referenceOf(options, service))).toContain('r.test:5000/sluice/ingress:x1')
    expect(options.flags).toEqual(['--pull-never', '--network', 'host'])
  })

  it('knows the services', async () => {
    await expect(readOptions(['--service', 'filtre'], {})).rejects.toThrow('there is no service filtre')
  })
})
