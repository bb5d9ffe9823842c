/**
 * The log: one JSON object per line on standard output, or one readable line on a terminal. `event` is for the steps of a
 * message's life, with the names that the figures use too. Callers pass facts in fields and never content or credentials;
 * fields whose names tell of credentials are blanked all the same.
 */
import { writeSync } from 'node:fs'
import type { EventName } from '@sluice/contracts'
import { type DestinationStream, pino } from 'pino'

export type Fields = Record<string, unknown>

/** Which trace a line belongs to, by the names that OpenTelemetry gives these fields. */
export type TraceIds = { trace_id: string; span_id: string }

export type Log = {
  /** One step of a message's life: constant name, variables in fields; the message's ID is `id`. @param ids where it is traced */
  event: (name: EventName, fields: Fields, ids?: TraceIds) => void
  debug: (text: string, fields?: Fields) => void
  info: (text: string, fields?: Fields) => void
  warn: (text: string, fields?: Fields) => void
  /** @param fields.error the cause, logged with type, message and stack */
  error: (text: string, fields?: Fields) => void
  /** A log whose lines all carry these fields. */
  child: (fields: Fields) => Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const SECRETS: ReadonlySet<string> = new Set(['password', 'pass', 'secret', 'credentials', 'authorization'])
const REDACTED = '[redacted]'

/**
 * What may be told of an error: not its other properties, for libraries attach what they were sending, such as a failed
 * Redis command with its arguments: a password, or the mail itself.
 */
const describeError = (error: Error, depth = 0): Fields => {
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(cause instanceof Error && depth < 5 ? { cause: describeError(cause, depth + 1) } : {}),
  }
}

const hideSecrets = (fields: object): object =>
  Object.keys(fields).some((name) => SECRETS.has(name))
    ? Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, SECRETS.has(name) ? REDACTED : value]))
    : fields

const tellable = (name: string, value: unknown): unknown => {
  if (SECRETS.has(name)) return REDACTED
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return value instanceof Error ? describeError(value) : hideSecrets(value)
}

/** The fields as they may be told: credentials blanked, here and one level below, and errors described. Mostly they are as they came. */
const tellableFields = (fields: Fields): Fields => {
  let told = fields
  for (const name of Object.keys(fields)) {
    const value = tellable(name, fields[name])
    if (value === fields[name]) continue
    if (told === fields) told = { ...fields }
    told[name] = value
  }
  return told
}

type Line = { time: string; level: string; service: string; msg?: string; event?: string }

/** Control characters and what turns the direction of text: clients choose what stands in a field, and a terminal obeys it. */
const UNSEEN = /[\p{Cc}\p{Cf}]/gu
const withoutControls = (text: string): string => text.replace(UNSEEN, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)

/** `12:00:01 info  ingress  delivery  id=… to=…` */
export const formatForPeople = (line: string): string => {
  const { time, level, service, msg, event, ...rest } = JSON.parse(line) as Line
  const fields = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'string' && !/[\s"]/.test(value) ? value : JSON.stringify(value)}`,
  )
  const head = [time.slice(11, 19), level.padEnd(5), service.padEnd(14)]
  return withoutControls(
    [...head, ...(event === undefined ? [] : [event]), ...(msg === undefined ? [] : [msg]), ...fields].join(' '),
  )
}

const terminal: DestinationStream = {
  write: (line) => {
    process.stdout.write(`${formatForPeople(line)}\n`)
  },
}

/** Waits without the event loop, which is what a full pipe asks for. */
const waitForReader = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)

const writeAll = (text: string): void => {
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Nobody reads the log any more: the mail goes on.
      if (code !== 'EAGAIN') return
      waitForReader()
    }
  }
}

/**
 * The lines of one turn of the event loop are written with one system call, at its end. What a process says before it exits is
 * written; of one that is killed, the lines of its last turn are lost.
 */
const standardOutput = (): DestinationStream => {
  let held = ''
  const flush = (): void => {
    writeAll(held)
    held = ''
  }
  process.on('exit', flush)
  return {
    write: (line) => {
      if (held === '') setImmediate(flush)
      held += line
    },
  }
}

/** @param options.destination where lines go; default: standard output, readable when that is a terminal */
export const createLogger = (options: { level: LogLevel; service: string; destination?: DestinationStream }): Log => {
  const settings = {
    level: options.level,
    base: { service: options.service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: tellableFields },
  }
  const destination = options.destination ?? (process.stdout.isTTY ? terminal : standardOutput())
  return wrap(pino(settings, destination))
}

const wrap = (logger: pino.Logger): Log => ({
  event: (name, fields, ids) => logger.info({ event: name, ...fields, ...ids }),
  debug: (text, fields = {}) => logger.debug(fields, text),
  info: (text, fields = {}) => logger.info(fields, text),
  warn: (text, fields = {}) => logger.warn(fields, text),
  error: (text, fields = {}) => logger.error(fields, text),
  child: (fields) => wrap(logger.child(tellableFields(fields))),
})
