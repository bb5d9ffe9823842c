/** A config with errors: each is told with file, line, key and what was expected, and nothing starts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Result, runProgram } from './support/gateway.ts'
import { processesOf } from './support/processes.ts'

const SLUICE = join(import.meta.dirname, '..', 'bin', 'sluice')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const up = async (name: string, config: string, env: NodeJS.ProcessEnv = {}): Promise<Result & { file: string }> => {
  const file = join(folder, `${name}.yaml`)
  await writeFile(file, config)
  const result = await runProgram(SLUICE, ['up', '--config', file, '--data', join(folder, name)], { env, timeoutMs: 30_000 })
  return { ...result, file }
}

const nothingStarted = async ({ stdout }: Result): Promise<void> => {
  expect(stdout).not.toMatch(/started|listening|ready/)
  expect(await processesOf(folder)).toEqual([])
}

describe('a config with errors', () => {
  it('is told of line by line, and starts nothing', async () => {
    const result = await up(
      'several',
      `hostname: mx.sluice.test
limits: { idle: soon }
routes:
  - name: far
    type: pigeon
  - { name: other, type: smtp, hosts: ["10.0.0.5:99999"] }
colour: blue
domains: [{ name: own.test, route: nowhere }]
`,
    )
    expect(result.code).toBe(2)
    const lines = result.stderr.split('\n')
    for (const [line, key] of [
      [2, 'limits.idle'],
      [5, 'routes[0].type'],
      [6, 'routes[1].hosts[0]'],
      [7, 'colour'],
    ]) {
      const found = lines.filter((each) => each.startsWith(`${result.file}:${line}: `))
      expect(found.join(), `line ${line} in ${result.stderr}`).toMatch(/ expected | unknown /)
      expect(found.join()).toContain(String(key))
    }
    await nothingStarted(result)
  })

  it('tells of a route that does not exist, a variable that is not understood, and a secret that cannot be read', async () => {
    const [route, missing, variable, secret] = await Promise.all([
      up('route', 'domains: [{ name: own.test, route: nowhere }]\n'),
      up('missing', `limits: { errors: 5 }\nhostname: \${SLUICE_TEST_HOST}\n`),
      up('variable', `hostname: mx.sluice.test\nlimits: { idle: "\${SLUICE_TEST_IDLE}" }\n`, { SLUICE_TEST_IDLE: 'soon' }),
      up('secret', `redis:\n  url: redis://127.0.0.1:1\n  passwordFile: ${join(folder, 'nothing')}\n`),
    ])
    expect(route.stderr).toMatch(/route\.yaml:1: domains\[0\]\.route: expected .*nowhere/)
    expect(missing.stderr).toMatch(/missing\.yaml:2: expected .*SLUICE_TEST_HOST/)
    expect(variable.stderr).toMatch(/variable\.yaml:2: limits\.idle: expected .*soon/)
    expect(secret.stderr).toMatch(/secret\.yaml:3: redis\.passwordFile: expected a file that can be read/)
    for (const result of [route, missing, variable, secret]) {
      expect(result.code, result.stderr).toBe(2)
      await nothingStarted(result)
    }
  })
})
