/**
 * Who we are to the store, in this order: the key files of the config; then as AWS's own libraries have it: AWS_ACCESS_KEY_ID and its
 * like; a web identity (AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE: IAM roles for service accounts); a container's credentials
 * (AWS_CONTAINER_CREDENTIALS_…: EKS Pod Identity, ECS); the role of the EC2 instance, unless AWS_EC2_METADATA_DISABLED. Kept until
 * shortly before they expire, or until the store does not accept them any more. Never logged.
 */
import { readFile } from 'node:fs/promises'
import {
  type Credentials,
  complete,
  completeJson,
  type Find,
  fetchText,
  LEAST_KEPT_MS,
  parseObject,
} from './credential-answers.ts'
import type { Http } from './http.ts'
import { fromInstance } from './instance-role.ts'
import type { S3Options } from './options.ts'
import { textOf } from './xml.ts'

export type CredentialSource = {
  current: () => Promise<Credentials>
  /** The store did not accept these: the next ones are read anew. */
  refused: (credentials: Credentials) => void
}

type Env = NodeJS.ProcessEnv

/** The address that ECS gives its containers. */
const ECS_HOST = 'http://169.254.170.2'

const readTrimmed = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim()

/** Looked at again soon: keys are rotated. */
const fromFiles =
  (accessKeyFile: string, secretKeyFile: string): Find =>
  async (_, now) => {
    const [accessKeyId, secretAccessKey] = await Promise.all([readTrimmed(accessKeyFile), readTrimmed(secretKeyFile)])
    return { accessKeyId, secretAccessKey, goodUntil: now + LEAST_KEPT_MS }
  }

const fromWebIdentity =
  (role: string, tokenFile: string, region: string, env: Env): Find =>
  async (http, now) => {
    const url = new URL(env.AWS_ENDPOINT_URL_STS ?? `https://sts.${region}.amazonaws.com/`)
    const body = new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: role,
      RoleSessionName: env.AWS_ROLE_SESSION_NAME ?? 'sluice',
      WebIdentityToken: await readTrimmed(tokenFile),
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const text = await fetchText(http, { method: 'POST', url, headers, body: Buffer.from(body.toString()) })
    const [id, secret, token] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map((name) => textOf(text, name))
    return complete(url.host, { id, secret, token, expires: textOf(text, 'Expiration') }, now)
  }

const fromContainer =
  (url: URL, env: Env): Find =>
  async (http, now) => {
    const { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file, AWS_CONTAINER_AUTHORIZATION_TOKEN: plain } = env
    const token = file === undefined ? plain : await readTrimmed(file)
    const headers: Record<string, string> = token === undefined ? {} : { authorization: token }
    return completeJson(url.host, parseObject(await fetchText(http, { method: 'GET', url, headers })), now)
  }

const MISSING = 'there are no credentials: set accessKeyFile and secretKeyFile, or those of the environment'

/** The last that is asked: elsewhere than on EC2 its silence means that nothing was set. */
const fromInstanceIfAny =
  (env: Env): Find =>
  async (http, now) => {
    if (env.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') throw new Error(MISSING)
    return fromInstance(env)(http, now).catch((fault: Error) => {
      throw new Error(`${MISSING}; nor does an EC2 instance give any: ${fault.message}`, { cause: fault })
    })
  }

const choose = (options: S3Options, region: string, env: Env): Find => {
  const { accessKeyFile, secretKeyFile } = options
  if (accessKeyFile !== null && secretKeyFile !== null) return fromFiles(accessKeyFile, secretKeyFile)
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    const known = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
    return async () => ({ ...known, goodUntil: Number.POSITIVE_INFINITY })
  }
  const { AWS_ROLE_ARN: role, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile } = env
  if (role !== undefined && tokenFile !== undefined) return fromWebIdentity(role, tokenFile, region, env)
  const { AWS_CONTAINER_CREDENTIALS_FULL_URI: full, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative } = env
  if (full !== undefined) return fromContainer(new URL(full), env)
  if (relative !== undefined) return fromContainer(new URL(relative, ECS_HOST), env)
  return fromInstanceIfAny(env)
}

export const createCredentials = (options: S3Options, region: string, http: Http, env: Env): CredentialSource => {
  let held: Credentials | null = null
  let asked: Promise<Credentials> | null = null
  const ask = async (): Promise<Credentials> => {
    try {
      held = await choose(options, region, env)(http, Date.now())
      return held
    } finally {
      asked = null
    }
  }
  return {
    current: async () => {
      if (held !== null && Date.now() < held.goodUntil) return held
      asked ??= ask()
      return asked
    },
    refused: (credentials) => {
      if (held === credentials) held = null
    },
  }
}
