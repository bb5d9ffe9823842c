import { describe, expect, it } from 'vitest'
import { createBatches } from './batches.ts'

/** Calls that are answered when the test says so. */
const createCalls = () => {
  const asked: string[] = []
  const answers = new Map<string, (error?: Error) => void>()
  const call = (name: string) => () =>
    new Promise<string>((resolve, reject) => {
      asked.push(name)
      answers.set(name, (error) => (error === undefined ? resolve(name) : reject(error)))
    })
  return { asked, answers, call }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('batches of calls', () => {
  it('ask a lone call at once, and together what is asked until all of the last batch is answered', async () => {
    const { asked, answers, call } = createCalls()
    const batched = createBatches()
    const first = batched(call('a'))
    const rest = ['b', 'c'].map((name) => batched(call(name)))
    expect(asked).toEqual(['a'])
    answers.get('a')?.()
    await first
    await turn()
    expect(asked).toEqual(['a', 'b', 'c'])
    const last = batched(call('d'))
    answers.get('b')?.()
    await turn()
    expect(asked).toEqual(['a', 'b', 'c'])
    answers.get('c')?.()
    await turn()
    expect(asked).toEqual(['a', 'b', 'c', 'd'])
    answers.get('d')?.()
    expect(await Promise.all([...rest, last])).toEqual(['b', 'c', 'd'])
  })

  it('go on after a call that fails, which fails alone', async () => {
    const { answers, call } = createCalls()
    const batched = createBatches()
    const first = batched(call('a'))
    const second = batched(call('b'))
    answers.get('a')?.(new Error('lost'))
    await expect(first).rejects.toThrow('lost')
    await turn()
    answers.get('b')?.()
    expect(await second).toBe('b')
  })
})
