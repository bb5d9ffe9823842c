/** The end of a release: what it leaves, and how the namespace goes. */
import { eventually } from '../support/gateway.ts'
import type { Kube } from './kube.ts'

const KINDS = [
  ...['pods', 'services', 'deployments', 'statefulsets', 'replicasets', 'jobs', 'configmaps', 'secrets', 'serviceaccounts'],
  ...['roles', 'rolebindings', 'poddisruptionbudgets', 'networkpolicies', 'horizontalpodautoscalers', 'persistentvolumeclaims'],
]
/** What every namespace has, whoever lives in it. */
const ALWAYS_THERE = ['configmap/kube-root-ca.crt', 'serviceaccount/default']
/** What the chart says that it keeps: the spool, the mail, and the password that opens the spool. */
const KEPT = /^persistentvolumeclaim\/data-/

const everything = async (kube: Kube): Promise<string[]> =>
  (await kube.kubectl('get', KINDS.join(','), '-o', 'name', '--ignore-not-found'))
    .split('\n')
    .filter((name) => name !== '' && !ALWAYS_THERE.includes(name))

/** Uninstalls. @throws when more is left than the chart says */
export const leftovers = async (kube: Kube): Promise<string> => {
  await kube.helm('uninstall', kube.release, '--wait', '--timeout', '180s')
  let left: string[] = []
  try {
    await eventually(
      'nothing but what is kept',
      async () => {
        left = await everything(kube)
        return left.every((name) => KEPT.test(name))
      },
      60_000,
      500,
    )
  } catch {
    throw new Error(`left: ${left.join(', ')}`)
  }
  return left.length === 0 ? 'nothing is left' : `kept: ${left.join(', ')}`
}

const podsOf = (kube: Kube): Promise<string> =>
  kube.kubectl('get', 'pods', '--selector', `app.kubernetes.io/instance=${kube.release}`, '-o', 'name')

/**
 * Takes the namespace away, and with it the volumes' claims. First the pods have to be gone: a namespace in which some are still ending
 * is looked at again after half of their grace time only, which is five minutes for delivery-agents.
 */
export const removeRelease = async (kube: Kube): Promise<void> => {
  await kube.helm('uninstall', kube.release, '--wait', '--ignore-not-found').catch(() => {})
  await eventually('the end of the pods', async () => (await podsOf(kube)).trim() === '', 120_000, 500).catch(() => {})
  await kube.cluster('delete', 'namespace', kube.namespace, '--ignore-not-found', '--wait', '--timeout=400s')
}
