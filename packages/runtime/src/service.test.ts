import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'

/** Runs a service whose parts are given as source in a process of its own; resolves once it has started. */
const run = async (start: string, grace = 5000): Promise<ChildProcess> => {
  const runtime = new URL('./index.ts', import.meta.url).href
  const source = `
    import { createLogger, runService } from ${JSON.stringify(runtime)}
    const log = createLogger({ level: 'info', service: 'trial' })
    await runService('trial', async () => { ${start}; log.info('started'); return { stop, shutdownGraceMs: ${grace}, log } })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `setInterval(() => {}, 1000)\n${source}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout!, 'data')
  return child
}
const exitOf = async (child: ChildProcess): Promise<number | null> =>
  child.exitCode ?? ((await once(child, 'exit')) as [number | null])[0]

describe('the life of a service', () => {
  it('R-shutdown: SIGTERM stops in order with exit code 0; SIGINT and SIGTERM together are one wish', async () => {
    const child = await run(`const stop = () => new Promise((resolve) => setTimeout(resolve, 100))`)
    child.kill('SIGINT')
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  })

  it('R-shutdown: what is not done within the grace time ends with code 1', async () => {
    const child = await run(`const stop = () => new Promise(() => {})`, 50)
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(1)
  })

  it('the same signal twice ends at once', async () => {
    const child = await run(`const stop = () => { log.info('stop'); return new Promise(() => {}) }`, 60_000)
    child.kill('SIGTERM')
    await once(child.stdout!, 'data')
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(1)
  })

  it('a rejection nobody handles ends the process with code 1', async () => {
    const child = await run(`const stop = async () => {}; setTimeout(() => Promise.reject(new Error('lost')), 50)`)
    expect(await exitOf(child)).toBe(1)
  })

  it('a start that fails ends with code 1', async () => {
    const child = await run(`throw new Error('no port'); const stop = async () => {}`)
    expect(await exitOf(child)).toBe(1)
  })
})
