/**
 * The spool's scripts: `.lua` files composed at load time with BullMQ's shipped, unmodified commands, each wrapped as a Lua
 * function whose KEYS and ARGV are parameters. BullMQ is pinned exactly; the contract test holds the result against it.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Cluster, Command, type Redis } from 'ioredis'

const COMMANDS = [
  'addStandardJob',
  'moveToActive',
  'moveToDelayed',
  'moveToFinished',
  'moveJobFromActiveToWait',
  'promote',
  'pause',
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

export const SCRIPTS = [
  'admit',
  'intake',
  'next',
  'wake',
  'grant',
  'forget',
  'repair',
  'survey',
  'release-content',
  'mark',
  'hold',
  'suspend',
  'list',
  'why',
  'reroute',
  'audit',
] as const
export type ScriptName = (typeof SCRIPTS)[number]
/** Each has one key, which names the lane's shard; all others follow from the lane's prefix. */
export const SCRIPT_KEYS = 1

/** Put before each script, in this order. */
const SHARED = ['common', 'limits', 'opening', 'errands'] as const

const composeAll = (): { name: ScriptName; text: string; sha: string }[] => {
  const prelude = [...shippedCommands(COMMANDS).map(wrapped), ...SHARED.map(read)].join('\n')
  return SCRIPTS.map((name) => {
    const text = compose(prelude, read(name))
    return { name, text, sha: createHash('sha1').update(text).digest('hex') }
  })
}

/** The whole text of each script, as it is sent to Redis, and its hash. Made once: all of them take some megabytes. */
export const COMPOSED = composeAll()
const BY_NAME = new Map(COMPOSED.map((script) => [script.name, script]))

type Argument = string | number | Buffer
/** @returns the reply, bulk strings as Buffers */
export type RunScript = (name: ScriptName, key: string, args: Argument[]) => Promise<unknown>

/** A call whose fate can be told. */
export type ScriptCall = {
  reply: Promise<unknown>
  /** The connection on which it was sent and perhaps run; null when it certainly was not: never written, or answered by an error. */
  sentOn: () => object | null
}
export type SendScript = (name: ScriptName, key: string, args: Argument[]) => ScriptCall

/** In a cluster one call may go to several connections, but only after each of them answered that it did not run it. */
class ScriptCommand extends Command {
  sentOn: object | null = null
  override toWritable(socket: object): string | Buffer {
    this.sentOn = socket
    const { reject } = this
    this.reject = (error) => {
      if (error.name === 'ReplyError') this.sentOn = null
      reject.call(this, error)
    }
    return super.toWritable(socket)
  }
}

/**
 * Scripts go by their hash, in full only where Redis does not know them yet: NOSCRIPT says that nothing was run, so that is safe
 * on a new master, too.
 */
export const createSender = (redis: Redis | Cluster): SendScript => {
  return (name, key, args) => {
    const script = BY_NAME.get(name)
    if (script === undefined) throw new Error(`no script ${name}`)
    let command: ScriptCommand
    const send = (how: 'evalsha' | 'eval'): Promise<unknown> => {
      command = new ScriptCommand(how, [how === 'eval' ? script.text : script.sha, SCRIPT_KEYS, key, ...args], {
        replyEncoding: null,
      })
      redis.sendCommand(command)
      return command.promise
    }
    const reply = send('evalsha').catch((error: unknown) => {
      if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return send('eval')
      throw error
    })
    return { reply, sentOn: () => command.sentOn }
  }
}

export const createRunner = (redis: Redis | Cluster): RunScript => {
  const send = createSender(redis)
  return (name, key, args) => send(name, key, args).reply
}
