/**
 * A line between two parts that can be cut, in the ways that lines are:
 *   drop        every connection is reset, new ones too
 *   stall       nothing passes; afterwards it goes on as if nothing had been
 *   blackhole   nothing passes; afterwards every connection is reset
 *   one-way     what the client says still arrives, no answer comes back; afterwards every connection is reset
 *   half-close  the client hears that the other side will say no more; afterwards every connection is reset
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type CutMode = 'drop' | 'stall' | 'blackhole' | 'one-way' | 'half-close'

export type Line = {
  port: number
  cut: (mode: CutMode) => void
  heal: () => void
  stop: () => void
}

type Pair = { client: Socket; server: Socket; open: () => void }

export const startLine = async (targetPort: number): Promise<Line> => {
  const lines = new Set<Pair>()
  let mode: CutMode | null = null
  const isStill = (): boolean => mode === 'stall' || mode === 'blackhole'

  const pass = (from: Socket, to: Socket, isAnswer: boolean): void => {
    from.on('data', (data) => {
      if (isAnswer && (mode === 'one-way' || mode === 'half-close')) return
      if (!to.destroyed && !to.writableEnded && !to.write(data)) from.pause()
    })
    to.on('drain', () => void (isStill() || from.resume()))
    from.on('end', () => void to.end())
    from.on('error', () => {})
    from.on('close', () => void to.destroy())
  }
  const silence = ({ client, server }: Pair): void => {
    client.pause()
    server.pause()
  }
  const resume = ({ client, server, open }: Pair): void => {
    open()
    client.resume()
    server.resume()
  }
  const destroy = ({ client }: Pair): void => void client.destroy()

  const listener = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
    if (mode === 'drop') return void client.destroy()
    const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    let isOpen = false
    const line: Pair = {
      client,
      server,
      open: () => {
        if (isOpen) return
        isOpen = true
        pass(client, server, false)
        pass(server, client, true)
      },
    }
    lines.add(line)
    client.once('close', () => lines.delete(line))
    client.on('error', () => {})
    server.on('error', () => {})
    server.once('close', () => void client.destroy())
    if (isStill()) silence(line)
    else resume(line)
  })
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  const address = listener.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    cut: (given) => {
      mode = given
      if (given === 'drop') lines.forEach(destroy)
      if (isStill()) lines.forEach(silence)
      if (given === 'half-close') for (const { client } of lines) client.end()
    },
    heal: () => {
      const was = mode
      mode = null
      lines.forEach(was === 'stall' ? resume : destroy)
    },
    stop: () => {
      listener.close()
      lines.forEach(destroy)
    },
  }
}
