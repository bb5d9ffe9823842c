/** What the tests of the S3 store share: options for a server of the test's own, and a look into its bucket past our own code. */
import type { TestS3 } from '@sluice/testkit'
import { AwsClient } from 'aws4fetch'
import type { S3Options } from '../s3/options.ts'

export const s3OptionsFor = (
  { endpoint, bucket, accessKeyFile, secretKeyFile }: TestS3,
  more: Partial<S3Options> = {},
): S3Options => ({
  endpoint,
  region: null,
  bucket,
  prefix: '',
  accessKeyFile,
  secretKeyFile,
  caFile: null,
  forcePathStyle: null,
  partBytes: 5 * 1_048_576,
  uploads: 10,
  connectTimeoutMs: 2000,
  timeoutMs: 2000,
  ...more,
})

const ask = (server: TestS3, path: string, method = 'GET'): Promise<Response> =>
  new AwsClient({ accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER', service: 's3', region: 'us-east-1' }).fetch(
    `${server.endpoint}/${server.bucket}${path}`,
    { method },
  )

const listed = async (server: TestS3, query: string): Promise<string[]> => {
  const text = await (await ask(server, query)).text()
  return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key ?? '')
}

export const namesIn = (server: TestS3): Promise<string[]> => listed(server, '?list-type=2')
/** Uploads that were begun and neither completed nor aborted. */
export const uploadsIn = (server: TestS3): Promise<string[]> => listed(server, '?uploads')

export const emptyBucket = async (server: TestS3): Promise<void> => {
  for (const name of await namesIn(server)) await ask(server, `/${name}`, 'DELETE')
}

export const putObject = async (server: TestS3, name: string): Promise<void> => void (await ask(server, `/${name}`, 'PUT'))
