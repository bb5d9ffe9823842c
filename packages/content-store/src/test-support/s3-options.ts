/** The options of the S3 store for a server of the test's own. */
import type { TestS3 } from '@sluice/testkit'
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
