import { expect, it } from 'vitest'
import { elements, escaped, rootOf, textOf } from './xml.ts'

const LIST = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
<Contents><Key>a&amp;b/&#x63;&#100;&lt;.0</Key><Size>1</Size></Contents><Contents><Key></Key></Contents></ListBucketResult>`

it('finds elements in order, with their texts decoded', () => {
  expect(elements(LIST, 'Contents').map((each) => textOf(each, 'Key'))).toEqual(['a&b/cd<.0', ''])
  expect(textOf(LIST, 'IsTruncated')).toBe('true')
})

it.each([
  ['<Error><Code>X</Code></Error>', 'Error'],
  ['<?xml version="1.0"?>\n<Error/>', 'Error'],
  [`  ${LIST}`, 'ListBucketResult'],
  ['', null],
  ['404 page not found', null],
])('names the outermost element of %j', (text, root) => expect(rootOf(text)).toBe(root))

it('takes what is not there, not closed, or only begins alike for absent', () => {
  expect(textOf('<Keys>x</Keys>', 'Key')).toBeNull()
  expect(textOf('<Key>x', 'Key')).toBeNull()
  expect(textOf('<Key>&unknown; &#x110000;</Key>', 'Key')).toBe('&unknown; &#x110000;')
})

it('what is escaped is read back', () => {
  const text = `"a'b" <c> & d`
  expect(textOf(`<ETag>${escaped(text)}</ETag>`, 'ETag')).toBe(text)
})
