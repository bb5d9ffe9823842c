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
  it('ask at once while fewer than two batches are under way, and together what is asked until all of one is answered', async () => {
    const { asked, answers, call } = createCalls()
    const batched = createBatches()
    const calls = ['a', 'b', 'c', 'd'].map((name) => batched(call(name)))
    expect(asked).toEqual(['a', 'b'])
    answers.get('a')?.()
    await turn()
    expect(asked).toEqual(['a', 'b', 'c', 'd'])
    calls.push(batched(call('e')))
    answers.get('c')?.()
    await turn()
    expect(asked).toEqual(['a', 'b', 'c', 'd'])
    answers.get('d')?.()
    await turn()
    expect(asked).toEqual(['a', 'b', 'c', 'd', 'e'])
    answers.get('b')?.()
    answers.get('e')?.()
    expect(await Promise.all(calls)).toEqual(['a', 'b', 'c', 'd', 'e'])
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
