import { createLogger } from '@sluice/runtime'
import { expect, it } from 'vitest'
import { createNotOurs } from './not-ours.ts'

it('tells once of contents that may be another gateway’s, again when that has changed, and counts them each time', () => {
  const lines: { msg: string; where: string; found: string | null; gateway: string }[] = []
  const counts: number[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const tell = createNotOurs(createLogger({ level: 'warn', service: 'test', destination }), (places) => counts.push(places))
  const folder = { where: '/content/.gateway', owner: null, gateway: 'ours' }
  const bucket = { where: 's3://mail/.gateway', owner: 'theirs', gateway: 'ours' }
  tell([])
  for (let i = 0; i < 3; i++) tell([folder, bucket])
  expect(lines).toMatchObject([
    { msg: expect.stringContaining('no ID of a gateway'), where: folder.where, found: null, gateway: 'ours' },
    { msg: expect.stringContaining('the ID of another gateway'), where: bucket.where, found: 'theirs', gateway: 'ours' },
  ])
  tell([bucket])
  tell([{ ...bucket, owner: 'others' }])
  tell([])
  tell([folder])
  expect(lines.slice(2)).toMatchObject([{ found: 'others' }, { where: folder.where }])
  expect(counts).toEqual([0, 2, 2, 2, 1, 1, 0, 1])
})
