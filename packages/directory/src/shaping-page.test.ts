/** docs/shaping.md: its examples are configs that load, and it names what there is. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { createDirectory } from './directory.ts'
import { loadText } from './test-config.ts'
import { LIVE_KEYS } from './watch-config.ts'

const page = await readFile(new URL('../../../docs/shaping.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? '')

const BASE =
  'hostname: mx.sluice.test\nlisteners: [{ name: smtp, listen: 25 }]\nroutes: [{ name: internet, type: mx, match: ["*"] }]\n'
const BULK = 'classes: [{ name: bulk, share: 1, match: { user: "*" } }]\n'

describe('the page about shaping', () => {
  it('has examples', () => {
    expect(examples.length).toBeGreaterThanOrEqual(4)
  })

  it.each(examples)('an example loads:\n%s', async (text) => {
    const config = await loadText(`${BASE}${text.includes('classes:') ? '' : BULK}${text}`)
    expect(config.warnings).toEqual([])
  })

  it('is right about the two limits of one site', async () => {
    const text = examples.find((each) => each.includes('class: bulk }, connections: 1'))
    const { shapingOf } = createDirectory(await loadText(`${BASE}${BULK}${text}`))
    const site = { name: 'mx.big.example', hosts: ['mx.big.example'] }
    expect(shapingOf('one.org', site)).toMatchObject({ siteConnections: 8, connections: 8 })
    expect(shapingOf('one.org/bulk', site)).toMatchObject({ siteConnections: 8, connections: 1 })
  })

  it('names every key that applies at once', () => {
    const row = /^\| `routes`.*$/m.exec(page)?.[0] ?? ''
    for (const key of LIVE_KEYS) expect(row).toContain(`\`${key}\``)
  })
})
