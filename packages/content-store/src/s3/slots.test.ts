import { expect, it } from 'vitest'
import { createSlots } from './slots.ts'

it('gives nobody more places than are left for others', async () => {
  const slots = createSlots(32, 50)
  const takeAll = async (client: string) => {
    const tries = await Promise.allSettled(Array.from({ length: 40 }, () => slots.take(client)))
    return tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  }
  const mine = await takeAll('a.test')
  expect(mine).toHaveLength(16)
  await expect(slots.take('a.test')).rejects.toThrow('this client held its part of the 32 places for uploads for 50 ms')
  expect(await takeAll('b.test')).toHaveLength(8)
  await expect(slots.take('c.test')).resolves.toBeTypeOf('function')
  for (const free of mine) free()
  expect((await takeAll('d.test')).length).toBeGreaterThan(8)
})

it('lets others pass by one who waits because of its own places', async () => {
  const slots = createSlots(2, 5000)
  const free = await slots.take('a.test')
  const waiting = slots.take('a.test')
  ;(await slots.take('b.test'))()
  free()
  await expect(waiting).resolves.toBeTypeOf('function')
})

it('gives places in order, and frees each once', async () => {
  const slots = createSlots(1, 5000)
  const free = await slots.take('a.test')
  const order: string[] = []
  const second = slots.take('a.test').then((leave) => {
    order.push('second')
    return leave
  })
  const third = slots.take('a.test').then((leave) => {
    order.push('third')
    return leave
  })
  free()
  free()
  const leave = await second
  expect(order).toEqual(['second'])
  leave()
  ;(await third)()
  await expect(slots.take('a.test')).resolves.toBeTypeOf('function')
})

it('gives up after its time, and the place then goes to the next', async () => {
  const slots = createSlots(1, 50)
  const free = await slots.take('a.test')
  await expect(slots.take('a.test')).rejects.toThrow('all 1 places for uploads were taken for 50 ms')
  free()
  await expect(slots.take('a.test')).resolves.toBeTypeOf('function')
})
