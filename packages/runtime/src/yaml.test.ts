import { describe, expect, it } from 'vitest'
import { ConfigError } from './config-error.ts'
import { loadYaml } from './yaml.ts'

/** How the config names a variable of the environment. */
const variable = (name: string): string => `$\{${name}}`

const failure = (text: string, env: NodeJS.ProcessEnv = {}): ConfigError => {
  try {
    loadYaml(text, 'c.yaml', env)
  } catch (error) {
    if (error instanceof ConfigError) return error
  }
  throw new Error('expected a ConfigError')
}

describe('values from the environment', () => {
  const env = { NAME: 'anna', PORT: '25', ON: 'true', EMPTY: '', EVIL: 'x\nadmin: true', V6: '[::1]:25' }
  it.each<[string, unknown]>([
    [`a: ${variable('NAME')}`, 'anna'],
    [`a: "${variable('NAME')}"`, 'anna'],
    [`a: ${variable('PORT')}`, 25],
    [`a: "${variable('PORT')}"`, '25'],
    [`a: ${variable('ON')}`, true],
    [`a: ${variable('MISSING:-127.0.0.1:2525')}`, '127.0.0.1:2525'],
    [`a: ${variable('EMPTY:-fallback')}`, 'fallback'],
    [`a: x-${variable('NAME')}-${variable('PORT')}`, 'x-anna-25'],
    [`a: "$${variable('NAME')}"`, `${variable('NAME')}`],
    [`a: ${variable('V6')}`, '[::1]:25'],
    [`a: ["${variable('MISSING:-')}", "${variable('NAME')}"]`, ['anna']],
  ])('%s', (text, value) => expect(loadYaml(text, 'c.yaml', env).data).toEqual({ a: value }))

  it('a value cannot change the shape of the file', () => {
    expect(loadYaml(`a: ${variable('EVIL')}`, 'c.yaml', env).data).toEqual({ a: 'x\nadmin: true' })
  })

  it('every variable that is not set is named with its line', () => {
    const error = failure(`a: 1\nb: ${variable('ONE')}\nc:\n  - ${variable('TWO')}\n`)
    expect(error.code).toBe('config-environment')
    expect(error.problems.map(({ line, message }) => [line, message.match(/variable (\w+)/)?.[1]])).toEqual([
      [2, 'ONE'],
      [4, 'TWO'],
    ])
  })
})

describe('lines', () => {
  it.each([
    ['a: 1\nb: [1, 2\nc: 3\n', 3],
    ['a: 1\na: 2\n', 2],
    ['a: 1\nb:\n\t- tab\n', 3],
    ['a: 1\nb: c: d\n', 2],
  ])('bad YAML names file and line: %j', (text, line) => {
    const error = failure(text)
    expect(error.code).toBe('config-syntax')
    expect(error.message).toMatch(new RegExp(`^c\\.yaml:${line}: expected YAML: .`))
  })

  it('a value, a key, and the nearest place for what is absent', () => {
    const { placeOf } = loadYaml('a:\n  b:\n    - x\n    - y: 1\n', 'c.yaml', {})
    expect(placeOf(['a', 'b', 1, 'y'])).toEqual({ file: 'c.yaml', line: 4 })
    expect(placeOf(['a', 'b'], true).line).toBe(2)
    expect(placeOf(['a', 'b', 1, 'absent']).line).toBe(4)
    expect(placeOf(['absent']).line).toBe(1)
  })
})
