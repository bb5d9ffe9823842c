/** What the values of all pods have in common. */
import { count, countOrNull, flag, labels, list, object, quantity, section, text, texts } from './parts.ts'

export const resources = (requests: Record<string, string>, memory: string) =>
  object('ResourceRequirements', 'What it asks for, and the most it gets. CPU has no limit, so that it is never slowed down.', {
    requests,
    limits: { memory },
  })

export const RESTRICTED_POD = {
  runAsNonRoot: true,
  runAsUser: 1000,
  runAsGroup: 1000,
  fsGroup: 1000,
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
}

export const RESTRICTED_CONTAINER = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** Where pods run, and as whom. */
export const placement = (podSecurityContext: Record<string, unknown> = {}) => ({
  podAnnotations: labels('Annotations of the pods.'),
  podLabels: labels('Labels of the pods, besides the chart’s own.'),
  nodeSelector: labels('Nodes on which they may run.'),
  affinity: object('Affinity', 'Nearer to or farther from nodes and pods.'),
  tolerations: list('Toleration', 'Taints that they bear.'),
  priorityClassName: text('', 'A PriorityClass.'),
  runtimeClassName: text('', 'A RuntimeClass.'),
  podSecurityContext: object('PodSecurityContext', 'Instead of the one at the top level.', podSecurityContext),
  securityContext: object('SecurityContext', 'Instead of the one at the top level.'),
})

export const probes = (startup: object, readiness: object, liveness: object) => ({
  startupProbe: object('Probe', 'Until it succeeds the others wait. The chart says what is asked.', { ...startup }),
  readinessProbe: object('Probe', 'While it fails, no client is sent there.', { ...readiness }),
  livenessProbe: object('Probe', 'When it fails too often, the container starts anew.', { ...liveness }),
})

export const serviceAccount = () =>
  section(
    {
      create: flag(true, 'Make one. It has no rights, and no token is mounted.'),
      name: text('', 'Its name. Empty: the chart’s.'),
      annotations: labels('Such as those of a cloud’s identities.'),
    },
    'The ServiceAccount of the pods.',
  )

export const additions = () => ({
  extraEnv: list('EnvVar', 'Environment variables. The config takes them up.'),
  extraVolumes: list('Volume', 'More volumes.'),
  extraVolumeMounts: list('VolumeMount', 'Where they are mounted.'),
  sidecars: list('Container', 'More containers in each pod.'),
})

export const persistence = (size: string, what: string) =>
  section(
    {
      enabled: flag(true, 'Without one, everything there ends with the pod.'),
      size: quantity(size, 'How large it is.'),
      storageClass: text('', 'Its StorageClass. Empty: the default one.'),
      accessModes: texts('How it may be mounted.', ['ReadWriteOnce']),
      existingClaim: text('', 'A PersistentVolumeClaim that is there, instead of a new one.'),
      annotations: labels('Annotations of the PersistentVolumeClaim.'),
    },
    what,
  )

/** How a service stops. */
export const life = (options: { preStopSeconds: number; shutdownGraceSeconds: number | null; graceText: string }) => ({
  preStopSeconds: count(
    options.preStopSeconds,
    'Before SIGTERM: until the balancers have heard that the pod goes, it answers as ever.',
  ),
  shutdownGraceSeconds:
    options.shutdownGraceSeconds === null
      ? countOrNull(options.graceText, 1)
      : count(options.shutdownGraceSeconds, options.graceText, 1),
  terminationGracePeriodSeconds: countOrNull('Then the pod is killed. Empty: the two above and 15 seconds.', 1),
})
