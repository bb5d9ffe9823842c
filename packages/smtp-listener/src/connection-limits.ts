/** R-limits: connections in all and per client, over all listeners of this process. */
export type ConnectionLimits = {
  /** @returns null when the client may stay, else which limit it met. A client that stays must be given back with `leave`. */
  enter: (ip: string) => 'connections' | 'connectionsPerClient' | null
  leave: (ip: string) => void
  count: () => number
}

export const createConnectionLimits = (limits: { connections: number; connectionsPerClient: number }): ConnectionLimits => {
  const perClient = new Map<string, number>()
  let total = 0
  return {
    enter: (ip) => {
      const own = perClient.get(ip) ?? 0
      if (total >= limits.connections) return 'connections'
      if (own >= limits.connectionsPerClient) return 'connectionsPerClient'
      total++
      perClient.set(ip, own + 1)
      return null
    },
    leave: (ip) => {
      const own = perClient.get(ip) ?? 0
      if (own === 0) return
      total--
      if (own === 1) perClient.delete(ip)
      else perClient.set(ip, own - 1)
    },
    count: () => total,
  }
}
