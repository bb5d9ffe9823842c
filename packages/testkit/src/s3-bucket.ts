/** A look into the bucket of a test's S3 server, past the code that is tested. */
import { AwsClient } from 'aws4fetch'

export type TestBucket = {
  /** Names of all objects, in order; a thousand at most. */
  objects: () => Promise<string[]>
  /** Names of uploads that were begun, and neither completed nor aborted. */
  uploads: () => Promise<string[]>
  /** An empty object. */
  put: (name: string) => Promise<void>
  empty: () => Promise<void>
}

export const lookInto = (url: string, accessKeyId: string, secretAccessKey: string): TestBucket => {
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: 's3', region: 'us-east-1' })
  const ask = async (path: string, method = 'GET'): Promise<string> => {
    const response = await client.fetch(`${url}${path}`, { method })
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
    put: async (name) => void (await ask(`/${name}`, 'PUT')),
    empty: async () => {
      for (const name of await objects()) await ask(`/${name}`, 'DELETE')
    },
  }
}
