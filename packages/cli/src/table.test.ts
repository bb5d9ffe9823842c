import { expect, it } from 'vitest'
import { formatDistance, formatSpan, formatTable } from './table.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

it.each([
  [0, '0 s'],
  [89_000, '89 s'],
  [90_000, '2 min'],
  [89 * MINUTE, '89 min'],
  [2 * HOUR, '2 h'],
  [47 * HOUR, '47 h'],
  [72 * HOUR, '3 d'],
])('%i ms are %s', (ms, text) => {
  expect(formatSpan(ms)).toBe(text)
  expect([formatDistance(1e9 + ms, 1e9), formatDistance(1e9, 1e9 + ms)]).toEqual([
    `in ${text}`,
    ms === 0 ? `in ${text}` : `${text} ago`,
  ])
})

it('a table has names at the left and numbers at the right, and no blanks at the end of a line', () => {
  const rows = [
    ['smarthost', 1, 'held'],
    ['example.org', 120, ''],
  ]
  expect(formatTable(['DESTINATION', 'DUE', 'STATE'], rows)).toBe(
    'DESTINATION  DUE  STATE\nsmarthost      1  held\nexample.org  120\n',
  )
})

it('a table has as many rows as a large spool has destinations', () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => [`d${i}.test`, i])
  const lines = formatTable(['DESTINATION', 'DUE'], rows).split('\n')
  expect([lines[0], lines[1], lines.at(-2)]).toEqual(['DESTINATION   DUE', 'd0.test            0', 'd199999.test  199999'])
})
