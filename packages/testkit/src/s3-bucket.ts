/** A look into the bucket of a test's S3 server, past the code that is tested. */
import { AwsClient } from 'aws4fetch'

export type TestBucket = {
  /** Names of all objects, in order; a thousand at most. */
  objects: () => Promise<string[]>
  /** Names of uploads that were begun, and neither completed nor aborted. */
  uploads: () => Promise<string[]>
  /** An object; empty unless told. */
  put: (name: string, text?: string) => Promise<void>
  empty: () => Promise<void>
}

export const lookInto = (url: string, accessKeyId: string, secretAccessKey: string): TestBucket => {
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: 's3', region: 'us-east-1' })
  const ask = async (path: string, method = 'GET', body: string | null = null): Promise<string> => {
    const response = await client.fetch(`${url}${path}`, { method, body })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text
  }
  const listed = async (query: string): Promise<string[]> =>
    [...(await ask(query)).matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key ?? '').toSorted()
  const objects = (): Promise<string[]> => listed('?list-type=2')
  return {
    objects,
    uploads: () => listed('?uploads'),
    put: async (name, text = '') => void (await ask(`/${name}`, 'PUT', text)),
    empty: async () => {
      for (const name of await objects()) await ask(`/${name}`, 'DELETE')
    },
  }
}
