import { describe, expect, it } from 'vitest'
import { startGateway } from './gateway.ts'

const node = (script: string): { command: string; args: string[] } => ({ command: process.execPath, args: ['-e', script] })

describe('startGateway', () => {
  it('waits for the line ready, and stop gives the exit code', async () => {
    const gateway = await startGateway(
      node('process.on("SIGINT", () => process.exit(7)); setInterval(() => {}, 1000); console.log("not ready yet\\nready")'),
    )
    expect(gateway.output()).toContain('not ready yet')
    expect(await gateway.stop()).toBe(7)
  })

  it('says what was printed when the process ends before it is ready', async () => {
    await expect(startGateway(node('console.error("no port left"); process.exit(3)'))).rejects.toThrow(
      /exit code 3\):\nno port left/,
    )
  })

  it('gives up on a process that never gets ready, and leaves nothing of its group', async () => {
    const silent = node('console.log(process.pid); setInterval(() => {}, 1000)')
    const error = await startGateway({ ...silent, readyWithinMs: 500 }).catch((reason: Error) => reason)
    expect(String(error)).toMatch(/not ready after 500 ms/)
    const pid = Number(/^\d+$/m.exec(String(error))?.[0])
    await expect.poll(() => isAlive(pid)).toBe(false)
  })
})

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
