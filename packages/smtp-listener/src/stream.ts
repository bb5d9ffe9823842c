/**
 * The bytes of one client. R-smuggle, R-dots: command-lines.ts says what a command is, content-parser.ts what content is and where
 * it ends. R-size: content that goes on far beyond the limit is not read to its end.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { type CommandLine, createCommandLines } from './command-lines.ts'
import { type ContentParser, createContentParser } from './content-parser.ts'
import type { Reception, Service } from './dialogue.ts'
import { isProxyHeader, mayBecomeProxyHeader } from './proxy-header.ts'

const NOTHING = Buffer.alloc(0)
/** Commands handled before others get their turn. */
const COMMANDS_PER_TURN = 100
/**
 * A message that is refused is read to its end, so that the client hears why and does not send it again. Beyond this many times the
 * limit that is no longer worth it: four times 25 MiB is more than clients send by mistake, and the rest would only cost us. With a
 * small limit what is on its way anyhow is read.
 */
const READ_UP_TO_LIMITS = 4
const READ_AT_LEAST_BYTES = 1024 * 1024

/** The connection, as the stream sees it. */
export type Listener = {
  reception: Reception | null
  take: (line: CommandLine) => Promise<void> | undefined
  busyWith: <T>(work: Promise<T>) => Promise<T>
  received: (replies: Awaited<ReturnType<Reception['end']>>) => void
  /** A PROXY header where none is taken. */
  foreignHeader: () => void
  /** The content is endless. */
  abandon: () => void
  /** The client sends no more, and all that it sent is answered. */
  finished: () => void
  pause: (next: () => void) => void
}

export class ListenerStream extends SMTPStream {
  readonly listener: Listener
  readonly service: Service
  readonly lines: ReturnType<typeof createCommandLines>
  readonly mostContentBytes: number
  parser: ContentParser
  contentBytes = 0
  /** What came first, as long as it may be a PROXY header's beginning; null once that is decided. */
  head: Buffer | null = NOTHING

  constructor(listener: Listener, service: Service) {
    super()
    this.listener = listener
    this.service = service
    this.lines = createCommandLines(service.limits.commandLineBytes)
    this.parser = createContentParser(service.bareLineFeeds)
    this.mostContentBytes = Math.max(READ_AT_LEAST_BYTES, READ_UP_TO_LIMITS * service.limits.sizeBytes)
    this.on('finish', () => listener.finished())
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    if (this.head !== null) this.look(this.head, chunk)
    this.consume(chunk).then(() => this.listener.pause(next), next)
  }

  /** In pieces or whole. Nothing is held back: a command has come whole only behind the bytes by which it is decided. */
  look(before: Buffer, chunk: Buffer): void {
    const head = before.length === 0 ? chunk : Buffer.concat([before, chunk])
    if (isProxyHeader(head)) this.listener.foreignHeader()
    // A copy: the chunk it came in may be large.
    this.head = mayBecomeProxyHeader(head) ? Buffer.from(head) : null
  }

  async consume(chunk: Buffer): Promise<void> {
    let rest = chunk
    while (rest.length > 0 && !this.isClosed) {
      rest = this.listener.reception === null ? await this.commands(rest) : await this.content(rest, this.listener.reception)
    }
  }

  async commands(chunk: Buffer): Promise<Buffer> {
    this.lines.feed(chunk)
    for (let count = 1; !this.isClosed; count++) {
      const line = this.lines.next()
      if (line === null) return NOTHING
      const wait = this.listener.take(line)
      if (wait !== undefined) await wait
      if (this.listener.reception !== null) {
        this.parser = createContentParser(this.service.bareLineFeeds)
        this.contentBytes = 0
        return this.lines.takeRest()
      }
      if (count % COMMANDS_PER_TURN === 0) await nextTurn()
    }
    return NOTHING
  }

  async content(chunk: Buffer, reception: Reception): Promise<Buffer> {
    this.contentBytes += chunk.length
    if (this.contentBytes > this.mostContentBytes) {
      this.listener.abandon()
      return NOTHING
    }
    const { content, rest } = this.parser.feed(chunk)
    if (content.length > 0) await this.listener.busyWith(reception.take(content))
    if (rest === null) return NOTHING
    this.listener.received(await this.listener.busyWith(reception.end(this.parser.isBroken())))
    return rest
  }
}
