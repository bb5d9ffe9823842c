/** The pages point to files that exist. */
import { access, glob, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')

/** Links without the ones to elsewhere, and without the part after #. */
const readLinks = async (page: string): Promise<string[]> => {
  const text = await readFile(join(ROOT, page), 'utf8')
  const targets = Array.from(text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g), ([, target = '']) => target)
  return targets.filter((target) => !/^[a-z]+:/.test(target))
}

const pages: string[] = []
for await (const page of glob(['*.md', 'docs/**/*.md'], { cwd: ROOT })) pages.push(page)

describe('pages', () => {
  it.each(pages)('%s links to files that exist', async (page) => {
    const missing: string[] = []
    for (const link of await readLinks(page)) {
      const target = join(ROOT, dirname(page), link)
      await access(target).catch(() => missing.push(relative(ROOT, target)))
    }
    expect(missing).toEqual([])
  })
})
