import { describe, expect, it } from 'vitest'
import { withTable } from './docs.ts'

const PAGE = 'before\n<!-- t -->\n<!-- /t -->\nafter\n'
const HEAD = ['case', 'system', 'figure']
const put = (text: string, rows: string[][], head = HEAD): string =>
  withTable(text, 't', { head, rows }, ['small', 'large'], 'by hand')

describe('a table of the page', () => {
  it('is put between its markers, in the order of the cases', () => {
    const page = put(PAGE, [
      ['large', 'A', '2'],
      ['small', 'A', '1'],
    ])
    expect(page).toBe(
      'before\n<!-- t -->\n\nby hand\n\n| case | system | figure |\n| --- | --- | --- |\n| small | A | 1 |\n| large | A | 2 |\n\n<!-- /t -->\nafter\n',
    )
  })

  it('keeps the rows that are not measured anew', () => {
    const first = put(PAGE, [
      ['small', 'A', '1'],
      ['small', 'B', '3'],
    ])
    const second = put(first, [['small', 'A', '9']])
    expect(second).toContain('| small | A | 9 |')
    expect(second).toContain('| small | B | 3 |')
    expect(second).not.toContain('| small | A | 1 |')
  })

  it('starts anew when its columns change, and refuses a page without its markers', () => {
    const other = put(put(PAGE, [['small', 'A', '1']]), [['large', 'A', '2', 'x']], [...HEAD, 'more'])
    expect(other).not.toContain('small')
    expect(() => put('nothing', [['small', 'A', '1']])).toThrow('no markers')
  })
})
