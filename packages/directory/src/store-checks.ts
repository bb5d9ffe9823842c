/** What no single key of `redis` and `content` can say: one way to each store, and all that it takes. */
import type { WrittenConfig } from './schema.ts'
import type { Finding } from './shaping-checks.ts'

/** One way to find Redis, and all that it takes. */
export const redisFindings = ({ redis: { url, sentinels, cluster, tls } }: WrittenConfig): Finding[] => {
  const ways = [
    url === null ? [] : ['url'],
    sentinels.length > 0 ? ['sentinels'] : [],
    cluster.length > 0 ? ['cluster'] : [],
  ].flat()
  const pair = tls === null || (tls.certFile === null) === (tls.keyFile === null)
  return [
    ...ways
      .slice(1)
      .map((way) => ({ path: ['redis', way], message: `expected one of url, sentinels and cluster, not ${ways.join(' and ')}` })),
    ...(tls !== null && url?.startsWith('redis://') ? [{ path: ['redis', 'url'], message: 'expected rediss:// with tls' }] : []),
    ...(pair ? [] : [{ path: ['redis', 'tls'], message: 'expected certFile and keyFile, or neither' }]),
  ]
}

/** A store needs what it is to write to, and a key both its halves. */
export const contentFindings = ({ content: { store, s3 } }: WrittenConfig): Finding[] => [
  ...(store === 's3' && s3 === null ? [{ path: ['content', 'store'], message: 'expected content.s3 with a bucket' }] : []),
  ...(s3 !== null && (s3.accessKeyFile === null) !== (s3.secretKeyFile === null)
    ? [{ path: ['content', 's3'], message: 'expected accessKeyFile and secretKeyFile, or neither' }]
    : []),
]
