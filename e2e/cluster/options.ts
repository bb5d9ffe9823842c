/** What `npm run e2e:cluster` is asked for. */
import { parseArgs } from 'node:util'
import { version } from '../images/options.ts'

export const HELP = `npm run e2e:cluster [-- OPTIONS]

Proves the chart on the cluster of KUBECONFIG (or ~/.kube/config). Everything is installed into namespaces of its own and removed
afterwards. Far ends and clients run here: pods must be able to reach this machine, and this machine LoadBalancer addresses.

  --theme NAME       one of those below; may be given several times; without it all of them, in this order
  --load COMMAND     makes built images known to the cluster: run with their names behind it, e.g. 'kind load docker-image'
  --registry HOST    push them there instead
  --no-build         the images are there already, under both tags
  --within COMMAND   runs a program in the cluster's network, when this machine is not in it: everything but the build goes through it
  --host ADDRESS     this machine's address as pods see it; without it the one that leads to the first node
  --cut COMMAND      cuts a node off from the network: run with the node's name behind it
  --mend COMMAND     ends that
  --namespace NAME   sluice-e2e without it
  --keep             leave the releases where they are, to look at them

What a cluster has not (a way to cut nodes off, KEDA) is told as a failed step, unless it is named: --without cut,keda

Themes:

THEMES
`

const OPTIONS = {
  theme: { type: 'string', multiple: true },
  load: { type: 'string' },
  registry: { type: 'string' },
  'no-build': { type: 'boolean', default: false },
  within: { type: 'string' },
  host: { type: 'string' },
  cut: { type: 'string' },
  mend: { type: 'string' },
  namespace: { type: 'string', default: 'sluice-e2e' },
  without: { type: 'string', default: '' },
  keep: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

export type ClusterOptions = {
  themes: string[] | undefined
  load: string | undefined
  registry: string | undefined
  build: boolean
  within: string | undefined
  host: string | undefined
  cut: string | undefined
  mend: string | undefined
  namespace: string
  without: string[]
  keep: boolean
  /** The tag that the chart takes by itself, and another one for the same images: what an upgrade goes to. */
  tags: { first: string; second: string }
}

/** null: help is wanted */
export const readOptions = async (argv: string[]): Promise<ClusterOptions | null> => {
  const { values } = parseArgs({ args: argv, options: OPTIONS })
  if (values.help) return null
  const first = await version()
  const { load, registry, within, host, cut, mend, namespace, keep } = values
  return {
    ...{ themes: values.theme, load, registry, within, host, cut, mend, namespace, keep },
    build: !values['no-build'],
    without: values.without.split(',').filter((word) => word !== ''),
    tags: { first, second: `${first}-next` },
  }
}
