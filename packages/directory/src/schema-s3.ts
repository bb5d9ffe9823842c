/** The section that says where contents lie in an S3-compatible store. */
import { size, timerDuration } from '@sluice/runtime'
import { z } from 'zod'
import { file, parsedText } from './schema-parts.ts'

const MIB = 1_048_576
/** S3's own limits for a part. */
const LEAST_PART_BYTES = 5 * MIB
const MOST_PART_BYTES = 1024 * MIB

/** Plain names, so that a key is the same in every store's spelling, and never leads out of the prefix. */
const toPrefix = (text: string): string | null => {
  if (text === '') return text
  const whole = text.endsWith('/') ? text : `${text}/`
  return /^(?:[0-9A-Za-z_-][0-9A-Za-z._-]*\/)+$/.test(whole) ? whole : null
}

const toEndpoint = (text: string): string | null => {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '') return null
  return url.href
}

export const s3Schema = z
  .strictObject({
    endpoint: parsedText('URL', 'https://host or http://host:port', toEndpoint)
      .nullable()
      .default(null)
      .describe('Where the store is, without the bucket. Left out: AWS in `region`.')
      .meta({ example: 'https://minio.example.org:9000' }),
    region: z
      .string()
      .regex(/^[a-z0-9-]+$/, { error: 'expected a region, such as eu-central-1' })
      .nullable()
      .default(null)
      .describe('Its region. Left out: `AWS_REGION` of the environment, else us-east-1.')
      .meta({ example: 'eu-central-1' }),
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, { error: 'expected the name of a bucket: a-z, 0-9, "-" and "."' })
      .describe('The bucket; it must exist.')
      .meta({ example: 'sluice-content' }),
    prefix: parsedText('prefix', 'letters, digits, "-", "_" and ".", in parts between slashes', toPrefix)
      .prefault('')
      .describe('Before the names of all contents, so that a bucket can serve several gateways.')
      .meta({ example: 'gateway-1/' }),
    accessKeyFile: file()
      .nullable()
      .default(null)
      .describe(
        'A file with the access key ID. Left out, with `secretKeyFile`: AWS’s usual environment, a web identity, or the EC2 instance’s role.',
      ),
    secretKeyFile: file().nullable().default(null).describe('A file with the secret access key.'),
    caFile: file()
      .nullable()
      .default(null)
      .describe('Who signed the store’s certificate, PEM, beside those that Node.js trusts.'),
    forcePathStyle: z
      .boolean()
      .nullable()
      .default(null)
      .describe('The bucket in the path, not in the host’s name. Left out: where an endpoint is named.'),
    partSize: size()
      .refine((bytes) => bytes >= LEAST_PART_BYTES && bytes <= MOST_PART_BYTES, { error: 'expected 5MiB to 1GiB' })
      .prefault('5MiB')
      .describe('Content goes there in parts of this size; one is in memory for each message that comes in.'),
    uploads: z
      .int()
      .min(1)
      .max(10_000)
      .default(32)
      .describe(
        'Large messages that one ingress takes in at once, half of them from one client; others wait, up to a minute, then 451. Times `partSize`: memory.',
      ),
    connectTimeout: timerDuration().prefault('5s').describe('To reach the store, TLS included.'),
    timeout: timerDuration().prefault('30s').describe('Silence of the store in a request or its answer.'),
  })
  .transform(({ partSize, connectTimeout, timeout, ...rest }) => ({
    ...rest,
    partBytes: partSize,
    connectTimeoutMs: connectTimeout,
    timeoutMs: timeout,
  }))
