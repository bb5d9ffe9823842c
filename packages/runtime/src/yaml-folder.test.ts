import { describe, expect, it } from 'vitest'
import { ConfigError } from './config-error.ts'
import { loadYaml, type YamlDocument } from './yaml.ts'
import { mergeYaml } from './yaml-folder.ts'

const merge = (...texts: string[]): YamlDocument => mergeYaml(texts.map((text, i) => loadYaml(text, `${i}.yaml`, {})))

const failure = (...texts: string[]): string => {
  try {
    merge(...texts)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
  }
  throw new Error('expected a ConfigError')
}

const BASE = 'hostname: a.test\nlimits:\n  size: 1MiB\n  errors: 5\nroutes:\n  - { name: one }\n'
const MORE = '# more\nroutes:\n  - { name: two }\n  - name: three\n    hosts: [h]\nlimits: { noops: 7 }\n'

describe('several files as one', () => {
  it('lists at the top follow one another, sections are joined', () => {
    expect(merge(BASE, '', MORE).data).toEqual({
      hostname: 'a.test',
      limits: { size: '1MiB', errors: 5, noops: 7 },
      routes: [{ name: 'one' }, { name: 'two' }, { name: 'three', hosts: ['h'] }],
    })
    expect(merge('', '# nothing\n').data).toEqual({})
  })

  it.each<[PropertyKey[], string, number]>([
    [['hostname'], '0.yaml', 1],
    [['limits', 'errors'], '0.yaml', 4],
    [['limits', 'noops'], '1.yaml', 6],
    [['routes', 0], '0.yaml', 6],
    [['routes', 1, 'name'], '1.yaml', 3],
    [['routes', 2, 'hosts', 0], '1.yaml', 5],
    [['routes', 2, 'absent'], '1.yaml', 4],
    [['absent'], '0.yaml', 1],
  ])('%j lies in its file', (path, file, line) => {
    expect(merge(BASE, MORE).placeOf(path)).toEqual({ file, line })
  })

  it('a value in two files is an error that names both places; so is a list below the top', () => {
    expect(failure(BASE, 'limits:\n  errors: 6\n')).toBe(
      '1.yaml:2: limits.errors: expected in one file; it stands at 0.yaml:4, too',
    )
    expect(failure('redis: { cluster: ["a:1"] }\n', 'redis: { cluster: ["b:1"] }\n')).toMatch(
      /^1\.yaml:1: redis\.cluster: expected in one/,
    )
    expect(failure('a: 1\n', 'a: [1]\n', 'a: { b: 1 }\n').split('\n')).toHaveLength(2)
  })

  it('a file without keys is an error', () => {
    expect(failure(BASE, '- a\n- b\n')).toBe('1.yaml:1: expected keys and values')
  })
})
