/** One more delivery-agent beside those of a gateway, as a second machine would run it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './gateway.ts'

const ROOT = join(import.meta.dirname, '..', '..')

export type Agent = {
  /** How often this step stands in its log. */
  count: (event: string) => number
  stop: () => Promise<void>
}

/** @param folder the data folder of the gateway, which holds its config too */
export const startAgent = async (folder: string): Promise<Agent> => {
  const port = (await readFile(join(folder, 'redis-port'), 'utf8')).trim()
  const env = {
    ...process.env,
    SLUICE_CONFIG: join(folder, 'sluice.yaml'),
    SLUICE_DATA: folder,
    SLUICE_REDIS_URL: `redis://127.0.0.1:${port}`,
    SLUICE_REDIS_PASSWORD_FILE: join(folder, 'redis-password'),
    SLUICE_CLOCK_FILE: join(folder, 'clock'),
  }
  const args = [join(ROOT, 'services', 'delivery-agent', 'src', 'main.ts')]
  const child: ChildProcess = spawn(join(ROOT, 'bin', 'node'), args, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  let output = ''
  let ready = false
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  // A service tells its supervisor where it listens, once it runs.
  child.once('message', () => {
    ready = true
  })
  await eventually('a second delivery-agent', () => ready)
  return {
    count: (event) => output.split(`"event":"${event}"`).length - 1,
    stop: async () => {
      if (child.exitCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}
