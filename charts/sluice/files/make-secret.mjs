/**
 * Makes the Secret with the passwords that nobody chose (hook before install and upgrade), or removes it (hook after delete). A Secret
 * that is there stays as it is: its password is in use. Runs in a pod of its own, whose account may do this and nothing else.
 *
 *   node make-secret.mjs make|remove NAMESPACE NAME LABELS    LABELS: JSON
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env
const [, , action, namespace, name, labels = '{}'] = process.argv
const secrets = `https://${host.includes(':') ? `[${host}]` : host}:${port}/api/v1/namespaces/${namespace}/secrets`

/** The API server's status code; its words, too, when it is not one of those expected. */
const ask = async (method, url, expected, body) => {
  const token = (await readFile(`${ACCOUNT}/token`, 'utf8')).trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const answer = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(20_000) })
  const words = await answer.text()
  if (!expected.includes(answer.status)) throw new Error(`${method} of the Secret ${name}: ${answer.status} ${words}`)
  return answer.status
}

const make = () =>
  ask(
    'POST',
    secrets,
    [201, 409],
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace, labels: JSON.parse(labels) },
      type: 'Opaque',
      stringData: { 'redis-password': randomBytes(24).toString('hex'), 'test-token': randomBytes(8).toString('hex') },
    }),
  )

if (action === 'make') console.log((await make()) === 201 ? `made the Secret ${name}` : `the Secret ${name} is there already`)
else
  console.log(
    (await ask('DELETE', `${secrets}/${name}`, [200, 202, 404])) === 404 ? 'there is none' : `removed the Secret ${name}`,
  )
