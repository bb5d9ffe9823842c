/**
 * The role of the EC2 instance that we run on, asked of its metadata service by IMDSv2: a token first, which a proxy that is
 * fooled into asking for others cannot get, then the role's name, then its credentials. Never by version 1, which asks for no token.
 */
import { completeJson, type Find, fetchText, parseObject } from './credential-answers.ts'
import { createHttp, type HttpRequest } from './http.ts'

/** The same on every instance; in networks without IPv4, `http://[fd00:ec2::254]` by AWS_EC2_METADATA_SERVICE_ENDPOINT. */
const USUAL_ENDPOINT = 'http://169.254.169.254'
/** It is as near as can be; elsewhere than on EC2 nobody answers, and to who is too many hops away it is silent. */
const WAITS = { connectTimeoutMs: 1000, timeoutMs: 1000 }
/** The token serves one reading. */
const TOKEN_SECONDS = 60
const ROLES = '/latest/meta-data/iam/security-credentials/'

export const fromInstance =
  (env: NodeJS.ProcessEnv): Find =>
  async (_, now) => {
    const http = createHttp(WAITS, null)
    const endpoint = env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? USUAL_ENDPOINT
    const ask = (method: string, path: string, headers: HttpRequest['headers']): Promise<string> =>
      fetchText(http, { method, url: new URL(path, endpoint), headers })
    const token = await ask('PUT', '/latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) })
    const proof = { 'x-aws-ec2-metadata-token': token.trim() }
    const [role = ''] = (await ask('GET', ROLES, proof)).trim().split('\n')
    const found = parseObject(await ask('GET', `${ROLES}${encodeURIComponent(role.trim())}`, proof))
    if (found.Code !== undefined && found.Code !== 'Success')
      throw new Error(`the instance has no credentials of its role ${role}: ${found.Code}`)
    return completeJson('the instance', found, now)
  }
