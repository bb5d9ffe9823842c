/** Postfix of its own queue and config: bench/peers/postfix/main.cf says how it is tuned, and why. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startPostfix } from '@sluice/testkit'
import type { ProcessFigures } from '../support/processes.ts'
import type { Contender } from './contender.ts'

const CONFIG = join(import.meta.dirname, '..', 'peers', 'postfix', 'main.cf')

/** The lines `name = value` of a main.cf without continued lines. */
const readParameters = async (sinkPort: number): Promise<Record<string, string>> => {
  const lines = (await readFile(CONFIG, 'utf8')).matchAll(/^(\w+) *= *(.*)$/gm)
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value.replace('$SINK', String(sinkPort))]))
}

/** By the name of the program: smtpd, cleanup, qmgr, smtp, … */
const stageOf = ({ command }: ProcessFigures): string => /^(?:\S*\/)?([a-z]+)/.exec(command)?.[1] ?? command

export const postfix: Contender = {
  name: 'Postfix',
  durability: 'its queue: every file synced',
  prepare: async () => {
    if (process.getuid?.() !== 0)
      throw new Error('Postfix can only be started by root: run this as root, or without it (--peers)')
  },
  start: async ({ folder, sinkPort }) => {
    const { port, stop } = await startPostfix({ folder, parameters: await readParameters(sinkPort) })
    const root = Number(await readFile(join(folder, 'queue', 'pid', 'master.pid'), 'utf8'))
    return { port, root, stageOf, redisCalls: null, stop }
  },
}
