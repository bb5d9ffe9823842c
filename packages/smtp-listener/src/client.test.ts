import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { expect, it } from 'vitest'
import { tlsOf } from './client.ts'

it('a client that leaves right after its handshake, so that its cipher can no longer be told, ends no process', () => {
  const socket = new TLSSocket(new Socket())
  socket.destroy()
  expect(tlsOf(socket)).toEqual({ version: 'TLS', cipher: 'unknown' })
  expect(tlsOf(new Socket())).toBe(null)
})
