/** What the S3 store is told: where the bucket is, who we are, how large parts are, and how long to wait. */

export type S3Options = {
  /** `https://host[:port]`, without the bucket; null: AWS in `region`. */
  endpoint: string | null
  /** null: AWS_REGION of the environment, else us-east-1, which other stores take, too. */
  region: string | null
  bucket: string
  /** Before the names of all contents; '' or with its `/` at the end. */
  prefix: string
  /** Files, read again when they have changed; null: the environment says who we are (credentials.ts). */
  accessKeyFile: string | null
  secretKeyFile: string | null
  /** Who signed the store's certificate, PEM; null: those that Node.js trusts. */
  caFile: string | null
  /** The bucket in the path, not in the host's name; null: where an endpoint is named. */
  forcePathStyle: boolean | null
  /** Size of a part, of which one is in memory for each content that is written; S3 takes none below 5 MiB but the last. */
  partBytes: number
  /** Contents written at once; more of them wait, and those of one client while it has as many places as are left. */
  uploads: number
  /** To reach the store, TLS included. */
  connectTimeoutMs: number
  /** Silence, in a request or its answer. */
  timeoutMs: number
}
