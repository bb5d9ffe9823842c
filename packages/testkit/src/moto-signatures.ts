/** Has moto check every signature, with AWS's own code (botocore); unless told, it takes any. */
import { writeFile } from 'node:fs/promises'
import { AwsClient } from 'aws4fetch'
import type { TestS3 } from './s3.ts'

const ALL = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] })

/** Makes a user who may do all with buckets, and writes the user's keys into the server's files; nobody else is served any more. */
export const requireSignatures = async ({ endpoint, accessKeyFile, secretKeyFile }: TestS3): Promise<void> => {
  const anybody = new AwsClient({ accessKeyId: 'any', secretAccessKey: 'any', service: 'iam', region: 'us-east-1' })
  const ask = async (parameters: Record<string, string>): Promise<string> => {
    const body = new URLSearchParams({ ...parameters, UserName: 'sluice', Version: '2010-05-08' }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await anybody.fetch(endpoint, { method: 'POST', headers, body })
    const text = await response.text()
    if (!response.ok) throw new Error(`moto: ${parameters.Action}: ${text}`)
    return text
  }
  await ask({ Action: 'CreateUser' })
  await ask({ Action: 'PutUserPolicy', PolicyName: 'all', PolicyDocument: ALL })
  const made = await ask({ Action: 'CreateAccessKey' })
  for (const [file, name] of [
    [accessKeyFile, 'AccessKeyId'],
    [secretKeyFile, 'SecretAccessKey'],
  ] as const) {
    const key = new RegExp(`<${name}>([^<]+)`).exec(made)?.[1]
    if (key === undefined) throw new Error(`moto made no ${name}: ${made}`)
    await writeFile(file, key)
  }
  // From now on not one request goes unchecked.
  const { ok } = await fetch(`${endpoint}/moto-api/reset-auth`, { method: 'POST', body: '0' })
  if (!ok) throw new Error('moto does not check signatures')
}
