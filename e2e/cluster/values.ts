/** The values of the chart that themes install with, besides none at all. */
import { mergeValues } from './merge-values.ts'

/** Retries within seconds, and for long enough: a test cannot wait for hours, and nothing may bounce for want of patience. */
const QUICK = { quick: { delays: [...Array.from({ length: 10 }, () => '2s'), ...Array.from({ length: 80 }, () => '10s')] } }

/** All clients of a test come from one address, and perhaps to one pod. */
const LIMITS = { connectionsPerClient: 1000 }

/**
 * A gateway behind a load balancer: mail of one client goes out to a far end of this machine, and mail for me@sluice.test stays.
 * @param far where the far end listens
 */
export const gatewayValues = (options: { client: string; far: { host: string; port: number } }, more: object = {}): object =>
  mergeValues(
    {
      config: {
        hostname: 'mx.sluice.test',
        trustedNetworks: [`${options.client}/32`],
        domains: [{ name: 'sluice.test', route: 'local', postmaster: 'me@sluice.test' }],
        accounts: [{ address: 'me@sluice.test' }],
        routes: [
          { name: 'local', type: 'local' },
          { name: 'far', match: ['*'], type: 'smtp', hosts: [`${options.far.host}:${options.far.port}`], tls: 'off' },
        ],
        schedules: QUICK,
        schedule: 'quick',
        limits: LIMITS,
      },
      ingress: { service: { type: 'LoadBalancer' } },
    },
    more,
  )
