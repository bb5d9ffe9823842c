/** Content in a bucket: who gets the keys, or the role instead of them. That it is reached is in network.test.ts. */
import { describe, expect, it } from 'vitest'
import { configText, containerOf, podOf, SERVICES, type ServiceName } from './support/objects.ts'
import { type KubernetesObject, render } from './support/render.ts'

const WORK_ON_CONTENTS: ServiceName[] = ['ingress', 'spooler', 'delivery-agent']
const SECRETS = '/etc/sluice/secrets'

const withStore = (s3: object, more: object = {}) =>
  render({ config: { content: { store: 's3', s3: { bucket: 'mail', ...s3 } } }, ...more })

/** Names of the Secrets in /etc/sluice/secrets, by service; each as volume and as mount. */
const mounted = (objects: KubernetesObject[]): Record<string, string[]> =>
  Object.fromEntries(
    SERVICES.map((service) => {
      const mounts = (containerOf(objects, service).volumeMounts ?? []).filter(({ mountPath }) => mountPath.startsWith(SECRETS))
      const names = mounts.map(({ name, mountPath }) => {
        const { secret } = podOf(objects, service).volumes?.find((volume) => volume.name === name) ?? {}
        expect(mountPath).toBe(`${SECRETS}/${secret?.secretName}`)
        return secret?.secretName ?? ''
      })
      return [service, names]
    }),
  )

describe('a bucket', () => {
  it('has its keys and its CA mounted where contents are worked on, and nowhere else', async () => {
    const objects = await withStore({
      accessKeyFile: `${SECRETS}/bucket/id`,
      secretKeyFile: `${SECRETS}/bucket/key`,
      caFile: `${SECRETS}/own.ca/ca.crt`,
    })
    const both = ['bucket', 'own.ca']
    expect(mounted(objects)).toEqual({ ingress: both, spooler: both, 'delivery-agent': both, mailbox: [] })
    for (const service of WORK_ON_CONTENTS) expect(configText(objects, service)).toContain(`${SECRETS}/bucket/key`)
    expect(configText(objects, 'mailbox')).not.toContain('bucket')
  })

  it('takes nothing from the Secrets of others', async () => {
    const objects = await render({
      config: {
        content: { store: 's3', s3: { bucket: 'mail', accessKeyFile: `${SECRETS}/s3/id`, secretKeyFile: `${SECRETS}/s3/key` } },
        domains: [{ name: 'a.test', route: 'local' }],
        accounts: [{ address: 'anna@a.test', passwordFile: `${SECRETS}/accounts/anna` }],
        routes: [
          { name: 'far', type: 'smtp', hosts: ['far.test'], auth: { user: 'us', passwordFile: `${SECRETS}/far/password` } },
        ],
      },
    })
    expect(mounted(objects)).toEqual({
      ingress: ['accounts', 's3'],
      spooler: ['s3'],
      'delivery-agent': ['far', 's3'],
      mailbox: [],
    })
  })

  it('knows us by a role: each service has a ServiceAccount to annotate, whose pods take the token that the role needs', async () => {
    const role = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/sluice' }
    const account = { serviceAccount: { annotations: role } }
    const objects = await withStore({}, { ingress: account, spooler: account, deliveryAgent: account })
    expect(mounted(objects)).toEqual({ ingress: [], spooler: [], 'delivery-agent': [], mailbox: [] })
    for (const service of SERVICES) {
      const pod = podOf(objects, service)
      const annotated = objects.find(
        ({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === pod.serviceAccountName,
      )
      expect(annotated?.metadata.annotations).toEqual(service === 'mailbox' ? undefined : role)
      // EKS adds a projected volume of its own, which this does not forbid, and which the group may read.
      expect(pod.automountServiceAccountToken).toBe(false)
      expect(pod.securityContext).toMatchObject({ runAsUser: 1000, fsGroup: 1000 })
    }
  })

  it('knows us by a token that the values ask for, where no cloud adds it', async () => {
    const identity = {
      extraEnv: [
        { name: 'AWS_ROLE_ARN', value: 'arn:minio:iam:::role/sluice' },
        { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: '/var/run/identity/token' },
      ],
      extraVolumes: [
        { name: 'identity', projected: { sources: [{ serviceAccountToken: { audience: 'minio', path: 'token' } }] } },
      ],
      extraVolumeMounts: [{ name: 'identity', mountPath: '/var/run/identity', readOnly: true }],
    }
    const objects = await withStore({}, { ingress: identity, spooler: identity, deliveryAgent: identity })
    for (const service of WORK_ON_CONTENTS) {
      expect(podOf(objects, service).volumes).toContainEqual(identity.extraVolumes[0])
      expect(containerOf(objects, service)).toMatchObject({
        env: expect.arrayContaining(identity.extraEnv),
        volumeMounts: expect.arrayContaining(identity.extraVolumeMounts),
      })
    }
  })
})
