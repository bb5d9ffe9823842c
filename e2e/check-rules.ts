/**
 * Every rule of docs/mail-rules.md has a test whose name starts with the rule's (`R-relay: …`), and every test that
 * names a rule names one that exists. Exit code 1 lists what is missing, and what nobody knows.
 *
 *   node e2e/check-rules.ts [ROOT]    ROOT: another tree than this checkout
 */
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = process.argv[2] ?? join(import.meta.dirname, '..')

/** Rules as the page defines them: a list item that begins with the name in bold. */
const readRules = async (): Promise<Set<string>> => {
  const page = await readFile(join(ROOT, 'docs', 'mail-rules.md'), 'utf8')
  return new Set(Array.from(page.matchAll(/^- \*\*(R-[\w-]+)\*\*/gm), ([, name = '']) => name))
}

/** Test names by rule: strings in a test file that start with `R-name:`, or with several, `R-one, R-two:`. */
const readTests = async (): Promise<Map<string, string[]>> => {
  const tests = new Map<string, string[]>()
  for await (const file of glob('{packages,services,e2e,bench}/**/*.test.ts', { cwd: ROOT, exclude: ['**/node_modules/**'] })) {
    const source = await readFile(join(ROOT, file), 'utf8')
    for (const [, names = ''] of source.matchAll(/['"`](R-[\w-]+(?:, R-[\w-]+)*):/g)) {
      for (const name of names.split(', ')) tests.set(name, [...(tests.get(name) ?? []), file])
    }
  }
  return tests
}

const rules = await readRules()
const tests = await readTests()
const missing = [...rules].filter((rule) => !tests.has(rule))
const unknown = [...tests].filter(([name]) => !rules.has(name))
for (const rule of missing) console.error(`no test: ${rule}`)
for (const [name, files] of unknown) console.error(`no such rule: ${name}, in ${[...new Set(files)].join(', ')}`)
const count = [...tests].filter(([name]) => rules.has(name)).reduce((sum, [, files]) => sum + files.length, 0)
console.log(`${rules.size} mail rules, ${rules.size - missing.length} with a test (${count} tests name one)`)
process.exitCode = rules.size > 0 && missing.length === 0 && unknown.length === 0 ? 0 : 1
