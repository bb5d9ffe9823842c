import { expect, it } from 'vitest'
import { type ChildSpec, keep } from './keeper.ts'

const node = (script: string, ipc = true): ChildSpec => ({
  name: 'trial',
  command: process.execPath,
  args: ['-e', script],
  env: process.env,
  ipc,
})

const watch = () => {
  const pids: number[] = []
  const messages: unknown[] = []
  const ends: { code: number | null; signal: string | null; pauseMs: number }[] = []
  return {
    pids,
    messages,
    ends,
    events: {
      onStart: (pid: number) => void pids.push(pid),
      onMessage: (message: unknown) => void messages.push(message),
      onEnd: (code: number | null, signal: NodeJS.Signals | null, pauseMs: number) => {
        ends.push({ code, signal, pauseMs })
        return 'restart' as const
      },
    },
  }
}

it('starts again what dies, after pauses that grow', async () => {
  const seen = watch()
  const keeper = keep(node('process.send({ pid: process.pid }); setTimeout(() => process.exit(3), 20)'), seen.events)
  await expect.poll(() => seen.ends.length, { timeout: 10_000 }).toBe(3)
  expect(seen.ends).toEqual([1000, 2000, 4000].map((pauseMs) => ({ code: 3, signal: null, pauseMs })))
  expect(seen.messages).toEqual(seen.pids.map((pid) => ({ pid })))
  expect(await keeper.stop(1000)).toBe(true)
})

it('starts again what was killed, and a stop is final', async () => {
  const seen = watch()
  const keeper = keep(node('setInterval(() => {}, 1000)'), seen.events)
  process.kill(seen.pids[0]!, 'SIGKILL')
  await expect.poll(() => seen.pids.length, { timeout: 5000 }).toBe(2)
  expect(seen.ends).toEqual([{ code: null, signal: 'SIGKILL', pauseMs: 1000 }])
  expect(await keeper.stop(5000)).toBe(true)
  expect(seen.ends).toHaveLength(1)
  expect(() => process.kill(seen.pids[1]!, 0)).toThrow()
})

it('kills what does not end in time, and says so', async () => {
  const seen = watch()
  const script = 'process.on("SIGTERM", () => {}); process.send("up"); setInterval(() => {}, 1000)'
  const keeper = keep(node(script), seen.events)
  await expect.poll(() => seen.messages).toEqual(['up'])
  expect(await keeper.stop(100)).toBe(false)
  expect(() => process.kill(seen.pids[0]!, 0)).toThrow()
})

it('a program that does not exist counts as one that ended', async () => {
  const seen = watch()
  const keeper = keep({ ...node(''), command: '/nowhere/program', ipc: false }, seen.events)
  await expect.poll(() => seen.ends).toEqual([{ code: null, signal: null, pauseMs: 1000 }])
  expect(await keeper.stop(1000)).toBe(true)
})
