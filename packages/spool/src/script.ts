/**
 * The spool's scripts: `.lua` files composed at load time with BullMQ's shipped, unmodified commands, each wrapped as a Lua
 * function whose KEYS and ARGV are parameters. BullMQ is pinned exactly; the contract test holds the result against it.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Redis } from 'ioredis'

const COMMANDS = [
  'addStandardJob',
  'moveToActive',
  'moveToDelayed',
  'moveToFinished',
  'moveJobFromActiveToWait',
  'promote',
] as const

type ShippedCommand = { name: string; content: string }

const isCommand = (value: unknown): value is ShippedCommand => typeof value === 'object' && value !== null && 'content' in value

const shippedCommands = (): string => {
  const require = createRequire(import.meta.url)
  const shipped: Record<string, unknown> = require('bullmq/dist/cjs/scripts')
  const byName = new Map(
    Object.values(shipped)
      .filter(isCommand)
      .map((command) => [command.name, command.content]),
  )
  return COMMANDS.map((name) => {
    const content = byName.get(name)
    if (content === undefined) throw new Error(`this BullMQ has no command ${name}`)
    return `local function ${name}(KEYS, ARGV)\n${content}\nend`
  }).join('\n')
}

const read = (name: string): string => readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')

/** The shebang with its flags must stay the first line. */
const compose = (prelude: string, body: string): string => {
  const shebang = body.startsWith('#!') ? body.slice(0, body.indexOf('\n') + 1) : '#!lua\n'
  return shebang + prelude + body.slice(body.startsWith('#!') ? shebang.length : 0)
}

export const SCRIPTS = ['admit', 'intake', 'next', 'wake', 'grant', 'forget', 'repair', 'release-content'] as const
export type ScriptName = (typeof SCRIPTS)[number]

type Argument = string | number | Buffer
/** @returns the reply, bulk strings as Buffers */
export type RunScript = (name: ScriptName, key: string, args: Argument[]) => Promise<unknown>

/** Registers the scripts with a connection: sent by their hash, in full only where Redis does not know them yet. */
export const createRunner = (redis: Redis): RunScript => {
  const prelude = `${shippedCommands()}\n${read('common')}`
  for (const name of SCRIPTS) redis.defineCommand(`sluice-${name}`, { numberOfKeys: 1, lua: compose(prelude, read(name)) })
  const commands = redis as unknown as Record<string, (...args: Argument[]) => Promise<unknown>>
  return (name, key, args) => {
    const command = commands[`sluice-${name}Buffer`]
    if (command === undefined) throw new Error(`no script ${name}`)
    return command.call(redis, key, ...args)
  }
}
