/**
 * Makes the Secret with the passwords that nobody chose (hook before install and upgrade), or removes it together with the pod of the
 * last `helm test` (hook after delete). A Secret that is there stays as it is: its password is in use. Runs in a pod of its own,
 * whose account may do this and nothing else.
 *
 *   node make-secret.mjs make NAMESPACE NAME LABELS     LABELS: JSON
 *   node make-secret.mjs remove NAMESPACE NAME POD
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env
const [, , action, namespace, name, last = ''] = process.argv
const core = `https://${host.includes(':') ? `[${host}]` : host}:${port}/api/v1/namespaces/${namespace}`

/** The API server's status code; throws with its words when it is not one of those expected. */
const ask = async (method, path, expected, body) => {
  const token = (await readFile(`${ACCOUNT}/token`, 'utf8')).trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const answer = await fetch(`${core}/${path}`, { method, headers, body, signal: AbortSignal.timeout(20_000) })
  const words = await answer.text()
  if (!expected.includes(answer.status)) throw new Error(`${method} ${path}: ${answer.status} ${words}`)
  return answer.status
}

const make = async () => {
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: JSON.parse(last) },
    type: 'Opaque',
    stringData: { 'redis-password': randomBytes(24).toString('hex'), 'test-token': randomBytes(8).toString('hex') },
  }
  const status = await ask('POST', 'secrets', [201, 409], JSON.stringify(secret))
  console.log(status === 201 ? `made the Secret ${name}` : `the Secret ${name} is there already`)
}

const remove = async (path) => {
  const status = await ask('DELETE', path, [200, 202, 404])
  console.log(status === 404 ? `there is no ${path}` : `removed ${path}`)
}

if (action === 'make') await make()
else {
  await remove(`secrets/${name}`)
  await remove(`pods/${last}`)
}
