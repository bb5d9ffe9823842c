/** A message's way from the connection to the last attempt, as a real OpenTelemetry Collector has understood it. */
import { expect, it } from 'vitest'
import { submit } from '../support/client.ts'
import { type CollectedSpan, startCollector } from '../support/collector.ts'
import { eventually, startSluice } from '../support/gateway.ts'
import { annaAndAllTo, useFarEnd, useSpool, useStarted } from '../support/scene.ts'

const HOUR = 3_600_000

const far = useFarEnd()
const collector = useStarted(() => startCollector(), 600_000)
const sluice = useStarted(() =>
  startSluice({
    config: annaAndAllTo(far),
    env: { ...collector.env, OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test' },
  }),
)
const spool = useSpool(sluice)

const send = (...to: string[]): Promise<string> => submit(sluice.smtpPort, { from: 'anna@own.test', to })
const spansOf = (id: string): CollectedSpan[] =>
  collector.spans.filter(({ attributes }) => attributes['messaging.message.id'] === id)
const find = (id: string, name: string): CollectedSpan | undefined => spansOf(id).find((span) => span.name === name)
const only = async (id: string, name: string): Promise<CollectedSpan> =>
  eventually(`the span ${name} of ${id}`, () => find(id, name))
const childrenOf = ({ spanId }: CollectedSpan): CollectedSpan[] => collector.spans.filter((span) => span.parentSpanId === spanId)
const shape = (span: CollectedSpan): string => {
  const children = childrenOf(span).sort((a, b) => a.startedAt - b.startedAt || a.name.localeCompare(b.name))
  return children.length === 0 ? span.name : `${span.name}(${children.map(shape).join(' ')})`
}

it('one trace tells of a message for two destinations, from the connection to both deliveries', async () => {
  const id = await send('ok@far.test', 'anna@own.test')
  const root = await only(id, 'reception')
  await eventually('both attempts', () => spansOf(id).filter(({ name }) => name === 'attempt').length === 2)
  await eventually('its parts', () => childrenOf(root).length === 6)

  expect(shape(root)).toMatch(
    /^reception\(session content admission intake attempt\(connection transaction\) attempt\(connection transaction\)\)$/,
  )
  const trace = collector.spans.filter(({ traceId }) => traceId === root.traceId)
  expect(trace).toHaveLength(11)
  for (const span of trace) {
    expect(span.endedAt).toBeGreaterThanOrEqual(span.startedAt)
    expect(span.resource).toMatchObject({ 'service.namespace': 'sluice', 'deployment.environment.name': 'test' })
    expect(span.status).toBe(0)
    expect(span.links).toEqual([])
  }
  const services = new Map(trace.map(({ name, resource }) => [name, resource['service.name']]))
  expect(Object.fromEntries(services)).toEqual({
    ...{ reception: 'ingress', session: 'ingress', content: 'ingress', admission: 'ingress', intake: 'spooler' },
    ...{ attempt: 'delivery-agent', connection: 'delivery-agent', transaction: 'delivery-agent' },
  })
  expect(root).toMatchObject({ parentSpanId: '', kind: 2 })
  expect(root.attributes).toMatchObject({
    'messaging.system': 'sluice',
    'messaging.message.id': id,
    'client.address': '127.0.0.1',
    'network.protocol.name': 'smtp',
    'server.address': 'mx.sluice.test',
    'sluice.listener': 'smtp',
    'sluice.recipients': 2,
    'sluice.session.message': 1,
    'sluice.reply.code': 250,
  })
  const attempt = trace.find(({ name, attributes }) => name === 'attempt' && attributes['messaging.destination.name'] === 'far')
  expect(attempt).toMatchObject({
    kind: 5,
    attributes: { 'sluice.attempt': 1, 'sluice.recipients.delivered': 1, 'sluice.stage': 'dot' },
  })
  const [connection, transaction] = childrenOf(attempt!)
  expect(connection).toMatchObject({ kind: 3, attributes: { 'server.port': far.port, 'network.peer.address': '127.0.0.1' } })
  expect(transaction).toMatchObject({ kind: 3, attributes: { 'sluice.reply.code': 250, 'network.protocol.name': 'smtp' } })
})

it('no span holds a mail address or what a far end wrote', async () => {
  const id = await send('reject@far.test')
  const root = await only(id, 'reception')
  await eventually('the refusal', () => find(id, 'attempt'))
  const texts = collector.spans.filter(({ traceId }) => traceId === root.traceId).map((span) => JSON.stringify(span))
  expect(texts.filter((text) => /@|no such user/.test(text))).toEqual([])
})

it('a refusal is an error, and the notice that it causes goes its way in the same trace', async () => {
  const id = await send('reject@far.test')
  const root = await only(id, 'reception')
  const attempt = await only(id, 'attempt')
  expect(attempt).toMatchObject({
    status: 2,
    attributes: { 'error.type': '5.1.1', 'sluice.reply.code': 550, 'sluice.recipients.bounced': 1 },
  })
  const notice = await eventually('the notice', () => childrenOf(attempt).find(({ name }) => name === 'notice'))
  expect(notice).toMatchObject({ traceId: root.traceId, kind: 4, attributes: { 'sluice.notice.kind': 'failed' } })
  const delivery = await eventually('its delivery', () => childrenOf(notice).find(({ name }) => name === 'attempt'))
  expect(delivery).toMatchObject({ traceId: root.traceId, status: 0 })
  expect(delivery.attributes).toMatchObject({ 'messaging.destination.name': 'local/notices', 'sluice.notice': true })
  expect(delivery.attributes['messaging.message.id']).toBe(notice.attributes['messaging.message.id'])
})

it('a message that is refused after its content has its trace, too', async () => {
  await expect(
    submit(sluice.smtpPort, { from: 'anna@own.test', to: ['ok@far.test'], body: 'a bare\nline feed' }),
  ).rejects.toThrow('550')
  const root = await eventually('its span', () =>
    collector.spans.find(({ name, status }) => name === 'reception' && status === 2),
  )
  expect(root.attributes).toMatchObject({ 'error.type': 'line-ends', 'sluice.reply.code': 550 })
  expect(shape(root)).toBe('reception(session content)')
})

it('attempts hours and days later have traces of their own, with a link to the message’s', async () => {
  const id = await send('tempfail-2@far.test')
  const root = await only(id, 'reception')
  await eventually('it to wait', async () => (await spool.trace(id)).tasks.some(({ state }) => state === 'delayed'))
  await sluice.setClock(3 * HOUR)
  await eventually('the second attempt', () => sluice.events('attempt').filter((line) => line.id === id).length === 2)
  await eventually('it to wait again', async () => (await spool.trace(id)).tasks.some(({ state }) => state === 'delayed'))
  await sluice.setClock(72 * HOUR)
  const attempts = await eventually('three attempts', () => {
    const found = spansOf(id).filter(({ name }) => name === 'attempt')
    return found.length === 3
      ? found.sort((a, b) => Number(a.attributes['sluice.attempt']) - Number(b.attributes['sluice.attempt']))
      : null
  })
  const [first, second, third] = attempts
  expect(first).toMatchObject({ traceId: root.traceId, parentSpanId: root.spanId, links: [], status: 2 })
  for (const late of [second!, third!]) {
    expect(late.traceId).not.toBe(root.traceId)
    expect(late).toMatchObject({ parentSpanId: '', links: [{ traceId: root.traceId, spanId: root.spanId }] })
    expect(childrenOf(late).map(({ name }) => name)).toContain('transaction')
  }
  expect(second!.traceId).not.toBe(third!.traceId)
  expect(third).toMatchObject({ status: 0, attributes: { 'sluice.attempt': 3, 'sluice.recipients.delivered': 1 } })
  expect(Number(third!.attributes['sluice.message.age'])).toBeGreaterThan(72 * 3600 - 60)
})

it('what the postmaster gives up is a part of its trace, with the notice', async () => {
  const id = await send('tempfail@far.test')
  const root = await only(id, 'reception')
  await eventually('it to wait', async () => (await spool.trace(id)).tasks.some(({ state }) => state === 'delayed'))
  expect(await sluice.cli('bounce', id)).toMatchObject({ code: 0 })
  const errand = await only(id, 'errand')
  expect(errand).toMatchObject({ traceId: root.traceId, parentSpanId: root.spanId, attributes: { 'sluice.verb': 'bounce' } })
  expect(childrenOf(errand).map(({ name }) => name)).toEqual(['notice'])
})

it('every line of the log about a message carries its ID and its trace’s', async () => {
  const id = await send('reject@far.test', 'ok@far.test', 'anna@own.test')
  const root = await only(id, 'reception')
  const about = () => sluice.log().filter((line) => line.id === id)
  const lines = await eventually('all steps', () => {
    // The mailbox is in no trace.
    const found = about().filter(({ service }) => service !== 'mailbox')
    return (
      ['reception', 'admission', 'attempt', 'delivery', 'bounce', 'notice'].every((name) =>
        found.some(({ event }) => event === name),
      ) && found
    )
  })
  expect(lines.map(({ event, trace_id }) => [event, trace_id])).toEqual(lines.map(({ event }) => [event, root.traceId]))
  expect(lines.every(({ span_id }) => /^[0-9a-f]{16}$/.test(String(span_id)))).toBe(true)
  await eventually('the mailbox to tell', () => about().some(({ service, msg }) => service === 'mailbox' && msg === 'stored'))
})
