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

type ShippedCommand = { name: string; content: string; keys: number }

const isCommand = (value: unknown): value is ShippedCommand => typeof value === 'object' && value !== null && 'content' in value

/** BullMQ's commands as it ships them. @throws when this BullMQ lacks one of the names */
export const shippedCommands = (names: readonly string[]): ShippedCommand[] => {
  const require = createRequire(import.meta.url)
  const shipped: Record<string, unknown> = require('bullmq/dist/cjs/scripts')
  const byName = new Map(
    Object.values(shipped)
      .filter(isCommand)
      .map((command) => [command.name, command]),
  )
  return names.map((name) => {
    const command = byName.get(name)
    if (command === undefined) throw new Error(`this BullMQ has no command ${name}`)
    return command
  })
}

const wrapped = ({ name, content }: ShippedCommand): string => `local function ${name}(KEYS, ARGV)\n${content}\nend`

const read = (name: string): string => readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')

/** The shebang with its flags must stay the first line. */
const compose = (prelude: string, body: string): string => {
  const shebang = body.startsWith('#!') ? body.slice(0, body.indexOf('\n') + 1) : '#!lua\n'
  return shebang + prelude + body.slice(body.startsWith('#!') ? shebang.length : 0)
}

export const SCRIPTS = ['admit', 'intake', 'next', 'wake', 'grant', 'forget', 'repair', 'release-content'] as const
export type ScriptName = (typeof SCRIPTS)[number]
/** Each has one key, which names the lane's shard; all others follow from the lane's prefix. */
export const SCRIPT_KEYS = 1

/** Put before each script, in this order. */
const SHARED = ['common', 'limits', 'opening'] as const

/** The whole text of each script, as it is sent to Redis. */
export const composeScripts = (): { name: ScriptName; text: string }[] => {
  const prelude = [...shippedCommands(COMMANDS).map(wrapped), ...SHARED.map(read)].join('\n')
  return SCRIPTS.map((name) => ({ name, text: compose(prelude, read(name)) }))
}

type Argument = string | number | Buffer
/** @returns the reply, bulk strings as Buffers */
export type RunScript = (name: ScriptName, key: string, args: Argument[]) => Promise<unknown>

/** Registers the scripts with a connection: sent by their hash, in full only where Redis does not know them yet. */
export const createRunner = (redis: Redis): RunScript => {
  for (const { name, text } of composeScripts()) redis.defineCommand(`sluice-${name}`, { numberOfKeys: SCRIPT_KEYS, lua: text })
  const commands = redis as unknown as Record<string, (...args: Argument[]) => Promise<unknown>>
  return (name, key, args) => {
    const command = commands[`sluice-${name}Buffer`]
    if (command === undefined) throw new Error(`no script ${name}`)
    return command.call(redis, key, ...args)
  }
}
