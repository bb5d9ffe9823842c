/** STARTTLS and AUTH concern the connection itself: whether they may come, and what SASL's replies are called. */
import type { Client } from './client.ts'
import type { Dialogue, ListenerConfig } from './dialogue.ts'
import { type Reply, refuse } from './reply.ts'

/** AUTH is offered under TLS only, and where the listener has it. */
export const offersAuth = (listener: ListenerConfig, client: Client): boolean => listener.auth !== 'off' && client.tls !== null

export const offersStartTls = (listener: ListenerConfig, client: Client): boolean => listener.tls !== null && client.tls === null

/** RFC 3207 §4. */
export const refuseStartTls = (listener: ListenerConfig, client: Client, line: string): Reply | null => {
  if (listener.tls === null) return refuse(502, '5.5.1', 'syntax', 'STARTTLS is not offered')
  if (client.tls !== null) return refuse(503, '5.5.1', 'order', 'TLS is active already')
  return line.trim().length > 'STARTTLS'.length ? refuse(501, '5.5.4', 'syntax', 'STARTTLS takes no arguments') : null
}

/** RFC 4954 §4. */
export const refuseAuth = (listener: ListenerConfig, dialogue: Dialogue): Reply | null => {
  const { client } = dialogue
  if (listener.auth === 'off') return refuse(502, '5.5.1', 'auth', 'AUTH is not offered')
  if (!offersAuth(listener, client)) return refuse(538, '5.7.11', 'auth', 'AUTH needs STARTTLS first')
  return dialogue.mayLogIn() && client.user === null
    ? null
    : refuse(503, '5.5.1', 'order', 'AUTH comes once, after EHLO, before MAIL')
}

/** RFC 4954 §4 and §6: the library says the code and the words; these are the enhanced codes that belong to them. */
const SASL_CODES = new Map([
  [235, '2.7.0'],
  [454, '4.7.0'],
  [501, '5.5.2'],
  [503, '5.5.1'],
  [504, '5.5.4'],
  [535, '5.7.8'],
  [538, '5.7.11'],
])

/** A reply of the library itself: greeting, challenge (334) or the result of SASL. */
export const libraryReply = (code: number, text: string | readonly string[]): Reply => {
  const reply = { code, enhanced: SASL_CODES.get(code) ?? null, text }
  return code >= 400 ? { ...reply, reason: 'auth' } : reply
}
