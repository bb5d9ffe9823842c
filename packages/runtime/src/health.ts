/**
 * /metrics, /healthz (the process runs) and /readyz (clients may be sent here; 503 says in words why not), and pages of JSON of the
 * service's own.
 */
import { createServer, type ServerResponse } from 'node:http'
import { declareReadiness, type Metrics } from './metrics.ts'
import type { Readiness } from './readiness.ts'
import type { Address } from './units.ts'

export type HealthServer = { address: Address; close: () => Promise<void> }

/**
 * A full store is no reason to keep clients away: all ingresses share it, and 452 tells a client more than a connection that nobody
 * answers (R-full). The words and the figure still say `full`.
 */
const isReady = ({ kind }: Readiness): boolean => kind === 'ok' || kind === 'full'

const answer = (response: ServerResponse, status: number, type: string, body: string): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(body)
}

/**
 * @param options.port 0 takes a free one
 * @param options.readiness asked at each request; `starting` and `stopping` are the caller's to say
 * @throws when the port cannot be had (EADDRINUSE and the like)
 */
export const startHealthServer = async (options: {
  host: string
  port: number
  registry: Metrics
  readiness: () => Readiness
  /** By path: what is told as JSON; a rejection is 503, in words. */
  pages?: Readonly<Record<string, () => Promise<object>>>
}): Promise<HealthServer> => {
  if (options.registry.getSingleMetric('sluice_readiness') === undefined) declareReadiness(options.registry, options.readiness)
  const server = createServer((request, response) => {
    // null for what is no URL, such as `//`: not found.
    const path = URL.parse(request.url ?? '/', 'http://localhost')?.pathname
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'text/plain', 'only GET\n')
    if (path === '/healthz') return answer(response, 200, 'text/plain', 'ok\n')
    if (path === '/readyz') {
      const state = options.readiness()
      const words = state.kind === 'ok' ? 'ready' : `${state.kind}: ${state.reason}`
      return answer(response, isReady(state) ? 200 : 503, 'text/plain', `${words}\n`)
    }
    const page = new Map(Object.entries(options.pages ?? {})).get(path ?? '')
    if (page !== undefined) {
      page().then(
        (found) => answer(response, 200, 'application/json', `${JSON.stringify(found)}\n`),
        (error: unknown) => answer(response, 503, 'text/plain', `${String(error)}\n`),
      )
      return
    }
    if (path !== '/metrics') {
      const places = ['/metrics', '/healthz', '/readyz', ...Object.keys(options.pages ?? {})]
      return answer(response, 404, 'text/plain', `here are ${places.join(', ')}\n`)
    }
    options.registry.metrics().then(
      (text) => answer(response, 200, options.registry.contentType, text),
      (error: unknown) => answer(response, 500, 'text/plain', `${String(error)}\n`),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => resolve())
  })
  const bound = server.address()
  return {
    address: { host: options.host, port: bound !== null && typeof bound === 'object' ? bound.port : options.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
