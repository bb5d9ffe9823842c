import { readFile } from 'node:fs/promises'
import { loadYaml, validate } from '@sluice/runtime'
import { describe, expect, it } from 'vitest'
import { renderReference, sectionsOf } from './reference.ts'
import { configSchema } from './schema.ts'

describe('the reference page', () => {
  const { sections, single } = sectionsOf()

  it('docs/config.md is what the schema says', async () => {
    const page = await readFile(new URL('../../../docs/config.md', import.meta.url), 'utf8')
    expect(page).toBe(renderReference())
  })

  it('every key has a meaning', () => {
    const rows = [...single, ...sections.flatMap(({ rows }) => rows)]
    expect(rows.length).toBeGreaterThan(80)
    for (const row of rows) expect(row).toMatch(/^\| `[^`]+` \| .+ \| .+ \| .{10,} \|$/)
    for (const { description } of sections) expect(description).not.toBe('')
  })

  it.each(sections)('the example of $key is valid', ({ key, example }) => {
    expect(validate(configSchema, loadYaml(example, key, {}))).toBeDefined()
  })
})
