import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { writeTogether } from './write-together.ts'

/** A socket and what its far end has got so far, in the pieces in which it came. */
const pair = async (): Promise<{ socket: Socket; pieces: string[]; ended: Promise<unknown> }> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const socket = connect(address.port, '127.0.0.1')
  const [far] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => {
    socket.destroy()
    far.destroy()
    server.close()
  })
  const pieces: string[] = []
  far.on('data', (piece: Buffer) => pieces.push(piece.toString()))
  return { socket, pieces, ended: once(far, 'end') }
}

it('sends what one turn of the event loop wrote in one piece, and the next turn’s apart', async () => {
  const { socket, pieces, ended } = await pair()
  writeTogether(socket)
  for (const text of ['a', 'b', 'c']) socket.write(text)
  expect(socket.writableLength).toBe(3)
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  expect(socket.writableLength).toBe(0)
  socket.write('d')
  socket.end('e')
  await ended
  expect(pieces.join('')).toBe('abcde')
})

it('loses nothing that was written just before the socket is ended', async () => {
  const { socket, pieces, ended } = await pair()
  writeTogether(socket)
  socket.write('last words')
  socket.end()
  await ended
  expect(pieces).toEqual(['last words'])
})
