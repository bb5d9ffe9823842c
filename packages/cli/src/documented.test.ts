/** The pages name commands and options that exist: whoever reads them has no time to find out which do not. */
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from './commands.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const pages: string[] = []
for await (const page of glob(['*.md', 'docs/**/*.md'], { cwd: ROOT })) pages.push(page)

/** What stands behind `sluice`: in inline code, on lines of examples, and behind `kubectl exec … --`. */
const commandLines = (text: string): string[] => {
  const blocks = Array.from(text.matchAll(/^```[a-z]*\n(.*?)^```/gms), ([, block = '']) => block)
  const inline = Array.from(text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g), ([, code = '']) => code)
  const lines = [...inline, ...blocks.flatMap((block) => block.split('\n'))]
  return lines
    .flatMap((line) => line.split(/&&|\||#/))
    .flatMap((line) => /^\s*(?:.* -- )?(?:bin\/)?sluice ([a-z].*)$/.exec(line)?.[1]?.trim() ?? [])
}

const byLength = COMMANDS.toSorted((a, b) => b.name.length - a.name.length)

const problemsOf = (line: string): string[] => {
  const command = byLength.find(({ name }) => line === name || line.startsWith(`${name} `))
  if (command === undefined) return [`there is no command: sluice ${line}`]
  const options = Array.from(line.matchAll(/(?<= )--[a-z][a-z-]*/g), ([option]) => option)
  return options
    .filter((option) => !new RegExp(`${option}\\b(?!-)`).test(command.help))
    .map((option) => `${command.name} has no ${option}`)
}

describe('the pages', () => {
  it('tell of many commands, and those of the postmaster of nearly all', async () => {
    const lines = (await Promise.all(pages.map((page) => readFile(join(ROOT, page), 'utf8')))).flatMap(commandLines)
    expect(lines.length).toBeGreaterThan(100)
    const postmaster = commandLines(await readFile(join(ROOT, 'docs', 'postmaster.md'), 'utf8'))
    for (const verb of [
      'queue',
      'why',
      'trace',
      'show',
      'hold',
      'release',
      'retry',
      'bounce',
      'delete',
      'reroute',
      'suspend',
      'resume',
    ])
      expect(postmaster.some((line) => line.split(' ')[0] === verb)).toBe(true)
  })

  it.each(pages)('%s names commands and options that exist', async (page) => {
    expect(commandLines(await readFile(join(ROOT, page), 'utf8')).flatMap(problemsOf)).toEqual([])
  })

  it.each([
    ['quueue', 'there is no command: sluice quueue'],
    ['queue --sort age', 'queue has no --sort'],
    ['suspend example.org --dry', 'suspend has no --dry'],
  ])('would not get away with sluice %s', (line, problem) => {
    expect(problemsOf(line)).toEqual([problem])
  })
})
