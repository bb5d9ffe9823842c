/**
 * By which ID the gateway knows a message, for the log. Ingress writes it into the Received field that it puts first (RFC 5321
 * §4.4); a notice, which the gateway made itself, has none, and carries it in its Message-ID. What another host wrote is not our ID.
 */

/** `received` and `messageId`: the first of these fields with their names, folded or not; null where there is none. */
export const gatewayId = (received: string | null, messageId: string | null, hostname: string): string | null => {
  if (received !== null) {
    const [, by, id] = / by (\S+) with .*? id ([^\s;]+)/.exec(received.replace(/\s+/g, ' ')) ?? []
    return by === hostname ? (id ?? null) : null
  }
  const [, id, host] = /<([^\s@<>]+)@([^\s@<>]+)>/.exec(messageId ?? '') ?? []
  return host === hostname ? (id ?? null) : null
}
