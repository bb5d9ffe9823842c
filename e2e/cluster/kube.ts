/** kubectl and helm, as a user has them, for one namespace. Every call has a limit; what fails throws with what it said. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../images/options.ts'

const LIMIT_MS = 300_000
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024

const run = async (program: string, args: string[], limitMs = LIMIT_MS): Promise<string> => {
  try {
    const options = { cwd: ROOT, timeout: limitMs, maxBuffer: MOST_OUTPUT_BYTES }
    return (await promisify(execFile)(program, args, options)).stdout
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    throw new Error(`${program} ${args.join(' ')}: ${said.trim()}`)
  }
}

export type Pod = {
  metadata: { name: string; uid: string; deletionTimestamp?: string; labels: Record<string, string> }
  spec: { nodeName: string; containers: { image: string }[] }
  status: {
    phase: string
    podIP?: string
    conditions?: { type: string; status: string }[]
    containerStatuses?: { name: string; restartCount: number }[]
  }
}

export const isReady = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod.status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')

export type Kube = ReturnType<typeof createKube>

export const createKube = (namespace: string, release: string) => {
  const kubectl = (...args: string[]): Promise<string> => run('kubectl', ['-n', namespace, ...args])
  const get = async <T>(...args: string[]): Promise<T> => JSON.parse(await kubectl('get', ...args, '-o', 'json')) as T
  const selector = (component: string): string => `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`

  /** @param values written to a file, as a user would have them */
  const withValues = async (verb: string[], values: object, limitSeconds: number): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-values-'))
    const file = join(folder, 'values.yaml')
    try {
      await writeFile(file, JSON.stringify(values))
      const given = Object.keys(values).length === 0 ? [] : ['-f', file]
      const args = [...verb, release, 'charts/sluice', '-n', namespace, ...given, '--wait', '--timeout', `${limitSeconds}s`]
      return await run('helm', args, (limitSeconds + 30) * 1000)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  return {
    namespace,
    release,
    kubectl,
    get,
    /** Of the whole cluster, not of the namespace. */
    cluster: (...args: string[]): Promise<string> => run('kubectl', args),
    pods: async (component: string): Promise<Pod[]> => (await get<{ items: Pod[] }>('pods', '-l', selector(component))).items,
    /** Standard output of a program inside a container. */
    exec: (pod: string, ...command: string[]): Promise<string> => kubectl('exec', pod, '--', ...command),
    install: (values: object, limitSeconds = 180) => withValues(['install', '--create-namespace'], values, limitSeconds),
    upgrade: (values: object, limitSeconds = 300) => withValues(['upgrade', '--reset-values'], values, limitSeconds),
    helm: (...args: string[]): Promise<string> => run('helm', ['-n', namespace, ...args]),
    /** `deployment/NAME`, `statefulset/NAME`: until every pod is the new one, and ready. */
    rolledOut: (component: string, kind = 'deployment', limitSeconds = 180): Promise<string> =>
      kubectl('rollout', 'status', `${kind}/${release}-${component}`, `--timeout=${limitSeconds}s`),
    /** Like `run` of a command given as one text, with words behind it. */
    command: (text: string, ...more: string[]): Promise<string> => {
      const [program = '', ...args] = [...text.split(' ').filter((word) => word !== ''), ...more]
      return run(program, args)
    },
  }
}

/** `kubectl apply` of objects; those of a namespace come to lie in the release's. */
export const applyObjects = async (kube: Kube, items: object[]): Promise<void> => {
  const child = spawn('kubectl', ['-n', kube.namespace, 'apply', '-f', '-'], { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`kubectl apply ended with ${code}`)
}

/** `kubectl port-forward`: a port of this machine that leads to a service. @throws when it does not come up */
export const forwardPort = async (kube: Kube, target: string, port: number): Promise<{ port: number; close: () => void }> => {
  const child = spawn('kubectl', ['-n', kube.namespace, 'port-forward', target, `:${port}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const local = await new Promise<number>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`port-forward ${target}: nothing after 20 s: ${said}`)), 20_000)
    child.once('close', () => reject(new Error(`port-forward ${target}: ${said}`)))
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        const found = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(said)?.[1]
        if (found === undefined) return
        clearTimeout(late)
        resolve(Number(found))
      })
  }).catch((error: unknown) => {
    child.kill()
    throw error
  })
  return { port: local, close: () => void child.kill() }
}
