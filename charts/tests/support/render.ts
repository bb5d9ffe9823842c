/** Renders the chart as users do, with Helm 3 and with Helm 4: what one of them makes differs from the other's is an error. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parseAllDocuments, stringify } from 'yaml'

const ROOT = join(import.meta.dirname, '..', '..', '..')
export const CHART = join(ROOT, 'charts', 'sluice')

export const HELMS = ['helm3', 'helm4'] as const
export type Helm = (typeof HELMS)[number]

export type Values = Record<string, unknown>

export type KubernetesObject = {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace: string; labels: Record<string, string>; annotations?: Record<string, string> }
  spec: Record<string, unknown>
  data: Record<string, string>
}

export type Output = { code: number; stdout: string; stderr: string }

/** Runs Helm with the values on its standard input. */
export const helm = (which: Helm, args: string[], values: Values = {}): Promise<Output> =>
  new Promise((resolve) => {
    const program = join(ROOT, '.tools', 'helm', which)
    const options = { maxBuffer: 64 * 1024 * 1024, env: { ...process.env, KUBECONFIG: '/dev/null' } }
    const child = execFile(program, [...args, '--values', '-'], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
    // A Helm that could not be started has no input; the callback says why.
    child.stdin?.on('error', () => {})
    child.stdin?.end(stringify(values, { version: '1.1' }))
  })

const TEMPLATE = ['template', 'gate', CHART, '--namespace', 'mail']

const objectsOf = (text: string): KubernetesObject[] =>
  parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    const [problem] = document.errors
    if (problem !== undefined) throw problem
    const object: unknown = document.toJS()
    return object === null ? [] : [object as KubernetesObject]
  })

/**
 * @param files more values, below `values`
 * @throws with Helm's words when the chart cannot be rendered, or when the two do not agree
 */
export const render = async (values: Values = {}, files: string[] = []): Promise<KubernetesObject[]> => {
  const args = [...TEMPLATE, ...files.flatMap((file) => ['--values', file])]
  const outputs = await Promise.all(HELMS.map((which) => helm(which, args, values)))
  const rendered = outputs.map(({ code, stdout, stderr }) => {
    if (code !== 0) throw new Error(stderr)
    return objectsOf(stdout)
  })
  const [three = [], four] = rendered
  if (!isDeepStrictEqual(sorted(three), sorted(four ?? []))) throw new Error('Helm 3 and Helm 4 make different things of this')
  return three
}

const keyOf = ({ kind, metadata }: KubernetesObject): string => `${kind}/${metadata.name}`

/** Hooks and objects of one kind come in an order of Helm's own. */
const sorted = (objects: KubernetesObject[]): KubernetesObject[] =>
  objects.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0))

/**
 * What Helm 3 and Helm 4 say of values that are refused. Throws when one of them takes them.
 * @param set values given by `--set`, whose numbers Helm holds in another type
 */
export const refusals = async (values: Values, set: string[] = []): Promise<string[]> => {
  const args = [...TEMPLATE, ...set.flatMap((one) => ['--set', one])]
  const outputs = await Promise.all(HELMS.map((which) => helm(which, args, values)))
  return outputs.map(({ code, stderr }) => {
    if (code === 0) throw new Error('expected these values to be refused')
    return stderr
  })
}

export const names = (objects: KubernetesObject[], kind: string): string[] =>
  objects
    .filter((one) => one.kind === kind)
    .map(({ metadata }) => metadata.name)
    .toSorted()
