import { describe, expect, it } from 'vitest'
import { createLogger, formatForPeople } from './log.ts'

const collect = (level: 'debug' | 'info' | 'warn' = 'info') => {
  const lines: string[] = []
  const log = createLogger({ level, service: 'ingress', destination: { write: (line) => void lines.push(line) } })
  return { log, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe('the log', () => {
  it('an event is one JSON line with its name and its fields', () => {
    const { log, records } = collect()
    log.child({ session: 's1' }).event('reception', { id: 'X', sizeBytes: 3 })
    expect(records()).toHaveLength(1)
    expect(records()[0]).toMatchObject({
      level: 'info',
      service: 'ingress',
      event: 'reception',
      id: 'X',
      sizeBytes: 3,
      session: 's1',
    })
  })

  it('levels below the configured one are not written', () => {
    const { log, records } = collect('warn')
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d', { error: new Error('broken') })
    expect(records().map(({ level, msg }) => [level, msg])).toEqual([
      ['warn', 'c'],
      ['error', 'd'],
    ])
    expect(records()[1]!.error).toMatchObject({ type: 'Error', message: 'broken' })
  })

  it('credentials never stand in a line, even when a field carries them', () => {
    const { log, records } = collect()
    log.info('login', { user: 'anna', password: 'geheim', auth: { pass: 'geheim' } })
    expect(JSON.stringify(records())).not.toContain('geheim')
  })

  it('an error is told by name, message, code and cause; what a library hung on it stays out', () => {
    const { log, records } = collect()
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', command: { args: ['geheim'] } })
    const error = Object.assign(new TypeError('failed', { cause }), { command: { name: 'auth', args: ['geheim'] } })
    log.error('a', { error })
    log.warn('b', { reason: error, err: error })
    log.child({ error }).info('c')
    expect(records()[0]?.error).toMatchObject({ type: 'TypeError', message: 'failed', cause: { code: 'ECONNREFUSED' } })
    expect(records()).toHaveLength(3)
    expect(JSON.stringify(records())).not.toContain('geheim')
  })

  it('on a terminal nothing that a client sent is obeyed', () => {
    const fields = { level: 'info', time: '2026-01-02T03:04:05.678Z', service: 'ingress', event: 'reception' }
    const line = JSON.stringify({ ...fields, messageId: '<\u001b]0;x\u0007\u009b2J\u202e@x>', helo: 'a\nb c' })
    expect(formatForPeople(line)).toBe(
      '03:04:05 info  ingress        reception messageId=<\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}@x> helo="a\\nb c"',
    )
  })

  it('on a terminal a line reads well', () => {
    const line = JSON.stringify({
      level: 'info',
      time: '2026-01-02T03:04:05.678Z',
      service: 'ingress',
      event: 'reception',
      id: 'X',
      why: 'a b',
    })
    expect(formatForPeople(line)).toBe('03:04:05 info  ingress        reception id=X why="a b"')
  })
})
