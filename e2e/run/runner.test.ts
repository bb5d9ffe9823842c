/** The checks that guard main have to be able to fail: each is shown a tree that breaks its rules. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findCycle } from './find-cycle.ts'
import { endLeftovers, findLeftovers } from './leftovers.ts'
import { select } from './steps.ts'

const folders: string[] = []

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

const tree = async (files: Record<string, string>): Promise<string> => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-checks-'))
  folders.push(root)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
  return root
}

const check = (script: string, root: string): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [join(import.meta.dirname, script), root], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
    })
  })

/** Put together here, so that the check does not take these for tests of ours. */
const testNamed = (names: string): string => `it('${names}: …', () => {})\n`

const PAGE = '# Rules\n\n- **R-one** — one\n- **R-two** — two\n'

describe('check-rules', () => {
  it('is content when each rule has a test, also one that it shares', async () => {
    const root = await tree({ 'docs/mail-rules.md': PAGE, 'packages/a/src/a.test.ts': testNamed('R-one, R-two') })
    expect(await check('../check-rules.ts', root)).toEqual({
      code: 0,
      output: '2 mail rules, 2 with a test (2 tests name one)\n',
    })
  })

  it('names the rule without a test, and the test without a rule', async () => {
    const root = await tree({ 'docs/mail-rules.md': PAGE, 'e2e/b.test.ts': testNamed('R-one') + testNamed('R-three') })
    const { code, output } = await check('../check-rules.ts', root)
    expect(code).toBe(1)
    expect(output).toContain('no test: R-two\n')
    expect(output).toContain('no such rule: R-three, in e2e/b.test.ts\n')
  })
})

const manifest = (name: string, dependencies: Record<string, string> = {}): string =>
  JSON.stringify({ name: `@sluice/${name}`, dependencies })

describe('check-boundaries', () => {
  it('finds services that know services, circles, loose versions and imports across packages', async () => {
    const root = await tree({
      'services/in/package.json': manifest('in', { '@sluice/out': 'workspace:*', zod: '^4.0.0' }),
      'services/in/src/a.ts': "import { b } from '../../out/src/b.ts'\n",
      'services/out/package.json': manifest('out'),
      'packages/a/package.json': manifest('a', { '@sluice/b': 'workspace:*', '@sluice/in': 'workspace:*' }),
      'packages/b/package.json': manifest('b', { '@sluice/a': 'workspace:*' }),
      'packages/cli/package.json': manifest('cli', { '@sluice/in': 'workspace:*' }),
    })
    const { code, output } = await check('check-boundaries.ts', root)
    expect(code).toBe(1)
    expect(output).toContain('services/in depends on the service @sluice/out\n')
    expect(output).toContain('packages/a depends on the service @sluice/in\n')
    expect(output).toContain('services/in: the version of zod is not exact: ^4.0.0\n')
    expect(output).toMatch(/in a circle: @sluice\/[ab] → @sluice\/[ab] → @sluice\/[ab]\n/)
    expect(output).toContain("services/in/src/a.ts imports ../../out/src/b.ts, which is another package's\n")
    expect(output).toContain('5 packages and services, 5 broken boundaries\n')
  })
})

describe('findCycle', () => {
  it('finds none in a tree with a shared branch', () => {
    expect(
      findCycle(
        new Map([
          ['a', ['b', 'c']],
          ['b', ['c']],
          ['c', []],
        ]),
      ),
    ).toBeNull()
  })
})

describe('select', () => {
  const names = (words: string[]): string[] => select(words).steps.map((step) => step.name)

  it('leaves out what takes its own time, unless it is named or all is', () => {
    expect(names([])).not.toContain('bench')
    expect(names(['bench'])).toEqual(['bench'])
    expect(names(['all'])).toContain('first-mail')
  })

  it('takes test files by path, in the step that they belong to', () => {
    expect(names(['packages/smtp/src/mailbox.test.ts'])).toEqual(['unit'])
    expect(names(['e2e/hold.test.ts', 'lint'])).toEqual(['lint', 'e2e'])
    expect(select(['e2e/hold.test.ts']).files).toEqual(['e2e/hold.test.ts'])
  })

  it('names the steps when a word is none', () => {
    expect(() => select(['untit'])).toThrow(/no step "untit": lint, types/)
  })
})

describe('leftovers', () => {
  it('finds a process that left its group, by the mark in its environment, and ends it', async () => {
    const mark = `SLUICE_MARK=${Math.random()}`
    const [name = '', value] = mark.split('=')
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore', env: { ...process.env, [name]: value } })
    const exited = once(child, 'exit')
    await once(child, 'spawn')
    await expect.poll(() => findLeftovers(mark)).toEqual([{ pid: child.pid, command: 'sleep 60' }])
    expect(await endLeftovers(mark)).toHaveLength(1)
    expect((await exited)[1]).toBe('SIGKILL')
    expect(await findLeftovers(mark)).toEqual([])
  })
})
