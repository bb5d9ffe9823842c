/**
 * A DNS server for tests: knotd, authoritative for what the test gives it. One zone per top-level label, so that every other
 * name below it is NXDOMAIN; names in `servfail` are zones that never load, so that knotd answers SERVFAIL for them.
 */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './port.ts'

export type TestDns = {
  /** As config.resolver.servers has it; in a YAML file `host:port`. */
  server: { host: string; port: number }
  stop: () => Promise<void>
}

/** Name (no dot at the end) to records: `{ 'example.test': ['MX 10 mx.example.test.', 'A 127.0.0.1'] }`. */
export type DnsRecords = Record<string, string[]>

const zoneOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1)

const zoneText = (zone: string, records: DnsRecords): string => {
  const lines = [
    `$ORIGIN ${zone}.`,
    '$TTL 60',
    `@ SOA ns.${zone}. hostmaster.${zone}. 1 60 60 60 60`,
    `@ NS ns.${zone}.`,
    'ns A 127.0.0.1',
  ]
  for (const [name, data] of Object.entries(records)) {
    if (zoneOf(name) === zone) lines.push(...data.map((record) => `${name}. ${record}`))
  }
  return `${lines.join('\n')}\n`
}

const configText = (folder: string, port: number, zones: string[]): string =>
  [
    'server:',
    `  rundir: ${folder}`,
    `  listen: 127.0.0.1@${port}`,
    '  udp-workers: 1',
    '  tcp-workers: 1',
    '  background-workers: 1',
    'database:',
    `  storage: ${folder}/db`,
    'log:',
    '  - target: stderr',
    '    any: error',
    'template:',
    '  - id: default',
    `    storage: ${folder}`,
    '    journal-content: none',
    '    semantic-checks: off',
    'zone:',
    ...zones.map((zone) => `  - domain: ${zone}\n    file: ${zone}.zone`),
    '',
  ].join('\n')

/** Asks for the SOA of a zone until an answer comes. */
const untilAnswers = async (port: number, zone: string, isDead: () => boolean): Promise<void> => {
  const labels = zone.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  const header = Buffer.from([0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  const question = Buffer.concat([header, ...labels, Buffer.from([0, 0, 6, 0, 1])])
  const socket = createSocket('udp4')
  socket.on('error', () => {})
  const answered = once(socket, 'message')
  const timer = setInterval(() => (isDead() ? socket.emit('message') : socket.send(question, port, '127.0.0.1')), 20)
  await answered
  clearInterval(timer)
  socket.close()
  if (isDead()) throw new Error('knotd ended at once: is the package knot installed?')
}

/** @param servfail names whose zone is broken */
export const startDns = async (records: DnsRecords, servfail: string[] = []): Promise<TestDns> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-dns-'))
  await mkdir(join(folder, 'db'))
  const port = await freePort()
  const zones = [...new Set([...Object.keys(records), 'test'].map(zoneOf))]
  await Promise.all(zones.map((zone) => writeFile(join(folder, `${zone}.zone`), zoneText(zone, records))))
  await writeFile(join(folder, 'knot.conf'), configText(folder, port, [...zones, ...servfail]))
  const child = spawn('/usr/sbin/knotd', ['-c', join(folder, 'knot.conf')], { stdio: 'ignore' })
  let dead = false
  const gone = new Promise<void>((resolve) => {
    const end = (): void => {
      dead = true
      resolve()
    }
    child.once('exit', end)
    child.once('error', end)
  })
  await untilAnswers(port, zones[0] ?? 'test', () => dead)
  return {
    server: { host: '127.0.0.1', port },
    stop: async () => {
      child.kill('SIGTERM')
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}
