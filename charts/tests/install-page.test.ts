/** What docs/install.md and the example values say of life on a cluster, rendered. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { containerOf, podOf } from './support/objects.ts'
import { CHART, render, type Values } from './support/render.ts'

const FIXED = ['runAsUser', 'runAsGroup', 'fsGroup']
const podsOf = ['ingress', 'spooler', 'delivery-agent', 'mailbox', 'redis']

it('the values for OpenShift name no uid, in any pod, and take nothing else away', async () => {
  const page = await readFile(join(CHART, '..', '..', 'docs', 'install.md'), 'utf8')
  const [, block = ''] = /^## On OpenShift$[\s\S]*?^```yaml\n([\s\S]*?)^```$/m.exec(page) ?? []
  const objects = await render(parse(block) as Values)
  for (const name of podsOf) {
    const { securityContext = {} } = podOf(objects, name)
    expect(Object.keys(securityContext).filter((key) => FIXED.includes(key))).toEqual([])
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  }
  const others = objects.filter(({ kind }) => kind === 'Job' || kind === 'Pod')
  expect(others.length).toBeGreaterThan(1)
  expect(JSON.stringify(others)).not.toMatch(/runAsUser|fsGroup"/)
})

it.each(['inbound-gateway', 'high-availability'])('%s waits for the balancer before a pod of ingress ends', async (name) => {
  const objects = await render({}, [join(CHART, 'examples', `${name}.yaml`)])
  expect(containerOf(objects, 'ingress').lifecycle?.preStop).toEqual({ sleep: { seconds: 30 } })
  expect(podOf(objects, 'ingress').terminationGracePeriodSeconds).toBe(30 + 60 + 15)
})

it('what Skaffold installs leaves no volumes when it is deleted', async () => {
  const objects = await render({}, [join(CHART, '..', 'dev-values.yaml')])
  const sets = objects.filter(({ kind }) => kind === 'StatefulSet')
  expect(sets.map(({ spec }) => spec.volumeClaimTemplates)).toEqual([undefined, undefined])
})
