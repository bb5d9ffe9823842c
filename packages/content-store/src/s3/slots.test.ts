import { expect, it } from 'vitest'
import { createSlots } from './slots.ts'

it('gives places in order, and frees each once', async () => {
  const slots = createSlots(1, 5000)
  const free = await slots.take()
  const order: string[] = []
  const second = slots.take().then((leave) => {
    order.push('second')
    return leave
  })
  const third = slots.take().then((leave) => {
    order.push('third')
    return leave
  })
  free()
  free()
  const leave = await second
  expect(order).toEqual(['second'])
  leave()
  ;(await third)()
  await expect(slots.take()).resolves.toBeTypeOf('function')
})

it('gives up after its time, and the place then goes to the next', async () => {
  const slots = createSlots(1, 50)
  const free = await slots.take()
  await expect(slots.take()).rejects.toThrow('all 1 places for uploads were taken for 50 ms')
  free()
  await expect(slots.take()).resolves.toBeTypeOf('function')
})
