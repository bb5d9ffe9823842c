/** What can be seen of a gateway: a message's life by its ID, the steps in the log, figures, health and readiness of each service. */
import { EVENTS } from '@sluice/contracts'
import { expect, it } from 'vitest'
import { declaredFigures } from './metrics-page/declared.ts'
import { submit, submitRaw } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { annaAndAllTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const SERVICES = ['ingress', 'spooler', 'delivery-agent', 'mailbox'] as const

const far = useFarEnd()
const sluice = useSluice(() => annaAndAllTo(far))
const spool = useSpool(sluice)

const send = (...to: string[]): Promise<string> => submit(sluice.smtpPort, { from: 'anna@own.test', to })
const ask = async (service: string, path: string): Promise<{ status: number; text: string; type: string | null }> => {
  const url = new RegExp(`^${service} figures\\s+(http://\\S+)/metrics`, 'm').exec(sluice.output())?.[1]
  const response = await fetch(`${url}${path}`)
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') }
}
const figure = async (service: string, name: string, labels: Record<string, string>): Promise<number> => {
  const { text } = await ask(service, '/metrics')
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && wanted.every((label) => line.includes(label)))
  return lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
}

it('R-id: trace tells of what was delivered, waits, bounced, and says 3 for what it does not know', async () => {
  const delivered = await send('ok@far.test')
  const deferred = await send('tempfail@far.test')
  const bounced = await send('reject@far.test')
  await eventually('all outcomes', () => ['delivery', 'deferral', 'bounce'].every((event) => sluice.events(event).length > 0))
  await eventually('the notice', () => sluice.events('delivery').length === 2)
  const [good, waiting, bad, unknown] = await Promise.all([
    ...[delivered, deferred, bounced].map((id) => sluice.cli('trace', id)),
    sluice.cli('trace', '0000000000ABCDEFGH'),
  ])
  const received = (id: string): RegExp =>
    new RegExp(
      `^${id}: received \\d{4}-\\d\\d-\\d\\d [\\d:]{8} by 127\\.0\\.0\\.1 \\(helo client\\.test\\) ESMTP, from <anna@own\\.test>, \\d+ bytes\\n`,
    )
  expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(received(delivered)) })
  expect(good?.stdout).toMatch(
    /^far: done [\s\S]*^ {2}ok@far\.test delivered 2\.0\.0: 250 2\.0\.0 taken[\s\S]*^ {2}.* attempt 1, 127\.0\.0\.1, dot: 250/m,
  )
  expect(waiting).toMatchObject({ code: 0, stdout: expect.stringMatching(received(deferred)) })
  expect(waiting?.stdout).toMatch(
    /^far: waits for its next attempt, in 2 h[\s\S]*attempt 1, .*rcpt: .*450 4\.2\.1[\s\S]*^ {4}S: 450 4\.2\.1 mailbox busy$/m,
  )
  expect(bad).toMatchObject({ code: 0, stdout: expect.stringMatching(received(bounced)) })
  expect(bad?.stdout).toMatch(
    /reject@far\.test bounced 5\.1\.1[\s\S]*the sender was told: failed[\s\S]*^ {4}S: 550 5\.1\.1 no such user$/m,
  )
  expect(unknown).toMatchObject({ code: 3, stdout: '', stderr: 'nothing is known of 0000000000ABCDEFGH\n' })

  const json = JSON.parse((await sluice.cli('trace', deferred, '--json')).stdout)
  expect(json).toMatchObject({ id: deferred, intake: null, tasks: [{ destination: 'far', state: 'delayed' }], history: [] })
})

it('every step of a message’s life stands in the log, in order, under names that figures use too', async () => {
  const id = await send('tempfail-once@far.test', 'anna@own.test')
  await eventually('it to wait', async () => (await spool.trace(id)).tasks.some(({ state }) => state === 'delayed'))
  await sluice.cli('retry', id)
  const steps = (): [string | undefined, unknown, unknown][] =>
    sluice
      .log()
      .filter((line) => line.id === id && line.event !== undefined)
      .map(({ event, destination, attempt }) => [event, destination, attempt])
  await eventually('its delivery', () => steps().some(([event, destination]) => event === 'delivery' && destination === 'far'))
  expect(steps().slice(0, 1)).toEqual([['reception', undefined, undefined]])
  expect(steps().filter(([, destination]) => destination === 'far')).toEqual([
    ['attempt', 'far', 1],
    ['deferral', 'far', 1],
    ['attempt', 'far', 2],
    ['delivery', 'far', 2],
  ])
  expect(steps().filter(([, destination]) => destination === 'local')).toEqual([
    ['attempt', 'local', 1],
    ['delivery', 'local', 1],
  ])
  expect(sluice.events('admission').filter((line) => line.id === id)).toMatchObject([
    { destinations: expect.arrayContaining(['far', 'local']) },
  ])
  const stored = () => sluice.log().filter(({ service, msg }) => service === 'mailbox' && msg === 'stored')
  await eventually('the mailbox to tell', () => stored().some((line) => line.id === id && line.recipient === 'anna@own.test'))
  // That of the test before, for the sender of what bounced.
  expect(stored().filter((line) => line.from === '')).toMatchObject([{ id: expect.stringMatching(/^[0-9A-Z]{18}$/) }])
  const reception = sluice.events('reception').find((line) => line.id === id)
  expect(reception).toMatchObject({
    service: 'ingress',
    listener: 'smtp',
    client: '127.0.0.1',
    helo: 'client.test',
    tls: null,
    protocol: 'ESMTP',
    sender: 'anna@own.test',
    recipients: 2,
    sizeBytes: expect.any(Number),
    messageId: '<1@client.test>',
  })
  const { replies } = await submitRaw(sluice.smtpPort, { from: 'anna@own.test', to: ['nobody@own.test'] })
  expect(replies[1]).toMatch(/^550 5\.1\.1/)
  expect(sluice.events('rejection')).toMatchObject([
    { reason: 'unknown-recipient', client: '127.0.0.1', reply: expect.stringContaining('550 5.1.1') },
    { reason: 'order' }, // DATA without a recipient
  ])
  const names = new Set(sluice.log().flatMap(({ event }) => (event === undefined ? [] : [event])))
  expect([...names].filter((name) => !EVENTS.some((known) => known === name))).toEqual([])
})

it('every service answers on /healthz, /readyz and /metrics, and its figures agree with the log', async () => {
  for (const service of SERVICES) {
    expect(await ask(service, '/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await ask(service, '/readyz')).toMatchObject({ status: 200, text: 'ready\n' })
    expect((await ask(service, '/nothing')).status).toBe(404)
    const { status, text, type } = await ask(service, '/metrics')
    expect({ service, status, type }).toEqual({ service, status: 200, type: expect.stringMatching(/^text\/plain/) })
    expect(text).toContain(`service="${service}"`)
    expect(text).not.toMatch(/@|far\.test/)
  }
  const counted = {
    ingress: ['connection', 'reception', 'rejection'],
    'delivery-agent': ['attempt', 'delivery', 'deferral', 'bounce', 'notice'],
    spooler: ['admission'],
  }
  for (const [service, events] of Object.entries(counted)) {
    for (const event of events) {
      // A line of the log may still be on its way to us when its figure is there already.
      await eventually(`as many lines "${event}" as ${service} has counted`, async () => {
        const count = await figure(service, 'sluice_events_total', { event })
        return count > 0 && count === sluice.events(event).length
      })
    }
  }
  expect(await figure('mailbox', 'sluice_mailbox_recipients_total', { result: 'delivered' })).toBe(2)
})

it('the page of figures names what each service tells, and nothing else', async () => {
  const declared = await declaredFigures()
  for (const service of SERVICES) {
    const { text } = await ask(service, '/metrics')
    const told = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`)
    const named = declared.filter(({ services }) => services.includes(service)).map(({ name, type }) => `${name} ${type}`)
    expect({ service, told: told.toSorted() }).toEqual({ service, told: named.toSorted() })
  }
})

it('the spooler tells what the whole spool holds, by state and class of site', async () => {
  const before = await figure('spooler', 'sluice_tasks', { state: 'later', site_class: 'far' })
  await send('tempfail+figures@far.test')
  await eventually('one more that waits for its next attempt', async () => {
    return (await figure('spooler', 'sluice_tasks', { state: 'later', site_class: 'far' })) === before + 1
  })
  const outcomes = { outcome: 'deferred', site_class: 'far', reason: 'mailbox' }
  expect(await figure('delivery-agent', 'sluice_outcomes_total', outcomes)).toBeGreaterThan(0)
  expect(await figure('ingress', 'sluice_readiness', { state: 'ok' })).toBe(1)
  expect(await figure('ingress', 'sluice_ingress_accept_seconds_count', {})).toBeGreaterThan(0)
  expect(await figure('ingress', 'sluice_admission_batch_messages_sum', {})).toBeGreaterThan(0)
})

it('figures are told within moments while Redis hangs, and say so', async () => {
  sluice.kill('redis', 'SIGSTOP')
  try {
    for (const service of SERVICES) {
      // An answer may be a second old.
      await eventually(
        `${service} to see it`,
        async () => service === 'mailbox' || (await figure(service, 'sluice_redis_up', {})) === 0,
      )
      const startedAt = performance.now()
      const { status, text } = await ask(service, '/metrics')
      expect({ service, status }).toEqual({ service, status: 200 })
      expect(performance.now() - startedAt).toBeLessThan(5000)
      expect(text).toContain('sluice_process_cpu_seconds_total')
    }
  } finally {
    sluice.kill('redis', 'SIGCONT')
  }
  await eventually('Redis to be seen again', async () => (await figure('spooler', 'sluice_redis_up', {})) === 1)
})

it('R-full: readiness follows the durability of Redis: not ready and no mail while it could forget, ready again afterwards', async () => {
  await spool.redis.config('SET', 'appendfsync', 'everysec')
  try {
    const answer = await eventually('ingress to notice', async () => {
      const asked = await ask('ingress', '/readyz')
      return asked.status === 503 ? asked : null
    })
    expect(answer.text).toMatch(/^unsafe: .*appendfsync/)
    expect((await ask('ingress', '/healthz')).status).toBe(200)
    const { id, replies } = await submitRaw(sluice.smtpPort, { from: 'anna@own.test', to: ['ok@far.test'] }).catch(() => ({
      id: null,
      replies: ['421'],
    }))
    expect(id).toBeNull()
    expect(replies[0]).toMatch(/^4[25]1|^the connection has ended/)
  } finally {
    await spool.redis.config('SET', 'appendfsync', 'always')
  }
  await eventually('ingress to be ready', async () => (await ask('ingress', '/readyz')).status === 200)
  await send('ok+again@far.test')
  await eventually('it at the far end', () =>
    far.messages.some(({ recipients }) => recipients[0]?.address === 'ok+again@far.test'),
  )
})
