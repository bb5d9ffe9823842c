/** `sluice show`: all that is known of a message, and its bytes. */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createContentStore } from '@sluice/content-store'
import { type ContentRef, laneOf, lanePrefix } from '@sluice/contracts'
import { findHeaderEnd } from '@sluice/smtp'
import { decodeIntake } from '@sluice/spool'
import { type Command, EXIT, type ExitCode, UsageError } from '../command.ts'
import { type OpenSpool, SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'
import { formatTrace } from './trace.ts'

type Stored = { ref: ContentRef; sizeBytes: number; destination: string }

/** Where a message's content is; null when it has left, or its payload tells nothing. */
const findContent = async ({ redis, trace, config }: OpenSpool, id: string): Promise<Stored | null> => {
  for (const { task, destination } of (await trace(id))?.tasks ?? [])
    if (task !== null) return { ref: task.content, sizeBytes: task.sizeBytes, destination }
  for (let lane = 0; lane < config.redis.lanes; lane++) {
    const decoded = decodeIntake((await redis.hget(`${lanePrefix(lane)}:intake:${id}`, 'data')) ?? '')
    if (decoded.kind === 'ok') return { ref: decoded.value.content, sizeBytes: decoded.value.envelope.sizeBytes, destination: '' }
  }
  return null
}

async function* contentOf({ redis, config }: OpenSpool, id: string, stored: Stored): AsyncIterable<Buffer> {
  const { lanes } = config.redis
  const { ref, sizeBytes, destination } = stored
  if (ref.store === 'inline') {
    const bytes = await redis.getBuffer(`${lanePrefix(laneOf(destination, lanes))}:${destination}:${id}:content`)
    if (bytes === null) throw new Error(`the content of ${id} is missing`)
    yield bytes
    return
  }
  yield* createContentStore({ redis, lanePrefix, lanes, ...config.content }).read(id, ref, sizeBytes)
}

/** The bytes as they are, in the pace of the reader; the header alone, with the empty line behind it, where asked. */
const printContent = async (spool: OpenSpool, id: string, headersOnly: boolean): Promise<boolean> => {
  const stored = await findContent(spool, id)
  if (stored === null) return false
  let head = Buffer.alloc(0)
  for await (const piece of contentOf(spool, id, stored)) {
    if (!headersOnly) {
      if (!process.stdout.write(piece)) await once(process.stdout, 'drain')
      continue
    }
    head = Buffer.concat([head, piece])
    const end = findHeaderEnd(head)
    if (end === -1) continue
    head = head.subarray(0, end)
    break
  }
  if (headersOnly) process.stdout.write(head)
  return true
}

const showMessage = async (spool: OpenSpool, id: string, values: { headers?: boolean; content?: boolean; json?: boolean }) => {
  if (values.headers === true || values.content === true)
    return (await printContent(spool, id, values.content !== true)) ? null : `no content of ${id} is here (any more)`
  const found = await spool.trace(id)
  if (found === null) return `nothing is known of ${id}`
  return { text: values.json === true ? `${JSON.stringify(found)}\n` : formatTrace(found, Date.now()) }
}

export const show: Command = {
  name: 'show',
  summary: 'all that is known of a message, and its bytes',
  help: `Usage: sluice show ID [options]

Tells what \`sluice trace\` tells: envelope, where it waits, every attempt, the last conversation, what was done to it and by whom,
and what became of it. Or prints the message itself, while it is here.

  --headers       print the header, as it is stored
  --content       print all of it: bytes, lines ended by CRLF
${SPOOL_HELP}

Exit codes: 0 found; 1 Redis does not answer, or the content is missing; 3 nothing is known of this ID, or its content has left.
`,
  run: async (args, io): Promise<ExitCode> => {
    const options = { ...SPOOL_OPTIONS, headers: { type: 'boolean' }, content: { type: 'boolean' } } as const
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
    const [id] = positionals
    if (id === undefined || positionals.length > 1) throw new UsageError('expected one ID')
    if (values.headers === true && values.content === true) throw new UsageError('--headers and --content exclude each other')
    const shown = await withSpool(values, io, (spool) => showMessage(spool, id, values))
    if (typeof shown === 'string') {
      io.err(`${shown}\n`)
      return EXIT.notFound
    }
    if (shown !== null) io.out(shown.text)
    return EXIT.ok
  },
}
