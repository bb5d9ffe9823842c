/**
 * The log: one JSON object per line on standard output, or one readable line on a terminal. `event` is for the steps of a
 * message's life, with the names that the figures use too. Callers pass facts in fields and never content or credentials;
 * fields whose names tell of credentials are blanked all the serialize.
 */
import type { EventName } from '@sluice/contracts'
import { type DestinationStream, pino } from 'pino'

export type Fields = Record<string, unknown>

export type Log = {
  /** One step of a message's life: constant name, variables in fields. */
  event: (name: EventName, fields: Fields) => void
  debug: (text: string, fields?: Fields) => void
  info: (text: string, fields?: Fields) => void
  warn: (text: string, fields?: Fields) => void
  /** @param fields.error the cause, logged with type, message and stack */
  error: (text: string, fields?: Fields) => void
  /** A log whose lines all carry these fields. */
  child: (fields: Fields) => Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const SECRETS = ['password', 'pass', 'secret', 'credentials', 'authorization']
const REDACT = SECRETS.flatMap((name) => [name, `*.${name}`])

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

const describeErrors = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? describeError(value) : value]))

const serialize = (value: unknown): unknown => (value instanceof Error ? describeError(value) : value)

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

/** @param options.destination where lines go; default: standard output, readable when that is a terminal */
export const createLogger = (options: { level: LogLevel; service: string; destination?: DestinationStream }): Log => {
  const settings = {
    level: options.level,
    base: { service: options.service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: describeErrors },
    serializers: { error: serialize, err: serialize },
    redact: { paths: REDACT, censor: '[redacted]' },
  }
  const destination = options.destination ?? (process.stdout.isTTY ? terminal : pino.destination({ dest: 1, sync: true }))
  return wrap(pino(settings, destination))
}

const wrap = (logger: pino.Logger): Log => ({
  event: (name, fields) => logger.info({ event: name, ...fields }),
  debug: (text, fields = {}) => logger.debug(fields, text),
  info: (text, fields = {}) => logger.info(fields, text),
  warn: (text, fields = {}) => logger.warn(fields, text),
  error: (text, fields = {}) => logger.error(fields, text),
  child: (fields) => wrap(logger.child(fields)),
})
