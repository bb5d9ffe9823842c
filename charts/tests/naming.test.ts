/** Names that are easily mistaken: those that YAML would read as numbers, and names of Secrets that are no names of volumes. */
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { EVERYTHING } from './support/cases.ts'
import { podOf } from './support/objects.ts'
import { CHART, HELMS, type Helm, helm, render, type Values } from './support/render.ts'

/** Everything of this name that is no text, wherever it stands. */
const notTexts = (value: unknown, key: string, path = ''): string[] => {
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([name, below]) => {
    const here = `${path}/${name}`
    return name === key && typeof below !== 'string' && typeof below !== 'object' ? [here] : notTexts(below, key, here)
  })
}

const NUMBERS: Values = {
  ...EVERYTHING,
  image: { pullSecrets: ['1'] },
  config: { ...(EVERYTHING.config as object), accounts: [{ address: 'a@example.org', passwordFile: '/etc/sluice/secrets/2/3' }] },
  tls: { existingSecret: '4' },
  spooler: { serviceAccount: { create: false, name: '5' } },
  mailbox: { persistence: { existingClaim: '6' } },
  redis: { bundled: { existingSecret: '7', passwordKey: '8', persistence: { storageClass: '9', size: '10' } } },
}

const rendered = async (which: Helm): Promise<unknown[]> => {
  const { code, stdout, stderr } = await helm(which, ['template', '123', CHART, '--namespace', '456'], NUMBERS)
  if (code !== 0) throw new Error(stderr)
  return parseAllDocuments(stdout, { version: '1.1' }).map((document) => document.toJS())
}

describe('names of digits alone', () => {
  it.each(HELMS)('stay texts: %s', async (which) => {
    const objects = await rendered(which)
    const keys = ['name', 'namespace', 'secretName', 'claimName', 'serviceAccountName', 'storageClassName', 'key', 'storage']
    for (const key of [...keys, 'app.kubernetes.io/instance', 'app.kubernetes.io/name'])
      expect([key, ...objects.flatMap((object) => notTexts(object, key))]).toEqual([key])
    const text = JSON.stringify(objects)
    for (const number of ['"namespace":"456"', '"app.kubernetes.io/instance":"123"', '"secretName":"4"', '"claimName":"6"'])
      expect(text).toContain(number)
  })
})

describe('volumes of Secrets', () => {
  const volumesFor = async (...secrets: string[]): Promise<string[]> => {
    const routes = secrets.map((name, i) => ({
      name: `r${i}`,
      match: [`r${i}.test`],
      type: 'smtp',
      hosts: ['a.test'],
      auth: { user: 'u', passwordFile: `/etc/sluice/secrets/${name}/key` },
    }))
    const { volumes = [], containers } = podOf(await render({ config: { routes } }), 'delivery-agent')
    const named = volumes.flatMap(({ name, secret }) => (name.startsWith('secret-') ? [[secret?.secretName ?? '', name]] : []))
    const names = new Map(named as [string, string][])
    for (const secret of secrets)
      expect(containers[0]?.volumeMounts).toContainEqual({
        name: names.get(secret),
        mountPath: `/etc/sluice/secrets/${secret}`,
        readOnly: true,
      })
    return secrets.map((secret) => names.get(secret) ?? '')
  }

  it('are called like them, as far as a volume may be', async () => {
    expect(await volumesFor('mail-users')).toEqual(['secret-mail-users'])
  })

  it('are told apart where dots go, and are names of volumes however long the Secret’s is', async () => {
    const long = `${'a'.repeat(55)}-users`
    const names = await volumesFor(
      'mail.users',
      'mail-users',
      long,
      `${long}2`,
      'a'.repeat(56),
      'b'.repeat(57),
      'c.'.repeat(120).slice(0, 239),
    )
    expect(new Set(names).size).toBe(7)
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
  })
})
