/** The values that say which Redis. */
import { choice, count, flag, labels, section, text, texts } from './parts.ts'
import { additions, persistence, placement, probes, RESTRICTED_POD, resources, serviceAccount } from './pods.ts'

const external = () =>
  section(
    {
      url: text('', 'One server: `redis://host:6379`, or `rediss://` for TLS. Without a password in it.'),
      sentinels: texts('Sentinels, `host:26379`, instead of `url`.'),
      sentinelName: text('mymaster', 'What the Sentinels call the master.'),
      cluster: texts('Some nodes of a Redis Cluster, `host:6379`, instead of `url`. Give it `config.redis.lanes: 16`.'),
      user: text('', 'Whom to log in as. Empty: the default user.'),
      existingSecret: text('', 'The Secret with the password. Empty: there is none.'),
      passwordKey: text('password', 'Its key with the password of Redis.'),
      sentinelPasswordKey: text('', 'Its key with the password of the Sentinels. Empty: they have none.'),
      tls: section(
        {
          enabled: flag(false, 'TLS to Sentinels and Cluster; with `url`, write `rediss://`.'),
          existingSecret: text('', 'The Secret with certificates. Empty: those that Node.js trusts.'),
          caKey: text('ca.crt', 'Its key with who signed the servers’ certificates.'),
          certKey: text('', 'Its key with a certificate of our own, when Redis asks for one.'),
          keyKey: text('', 'Its key with that one’s private key.'),
        },
        'TLS with certificates of your own.',
      ),
    },
    'A Redis that is there: with `url`, `sentinels` or `cluster` no other one is installed. docs/redis.md says what it must be like.',
  )

const bundled = () =>
  section(
    {
      image: text('docker.io/library/redis:7-bookworm', 'Redis 7 or newer, or Valkey, with a shell.'),
      imagePullPolicy: choice(['Always', 'IfNotPresent', 'Never'], 'IfNotPresent', 'When it is fetched.'),
      existingSecret: text('', 'A Secret with a password. Empty: a Job makes one at the first install, and it stays.'),
      passwordKey: text('password', 'Its key.'),
      resources: resources({ cpu: '100m', memory: '256Mi' }, '1Gi'),
      maxMemoryPercent: count(60, 'Of the memory’s limit; Redis needs the rest while it rewrites its file.', 1),
      extraConfig: text('', 'More lines of redis.conf.'),
      persistence: persistence('8Gi', 'The volume with the spool. It stays when the release is deleted.'),
      annotations: labels('Annotations of the StatefulSet.'),
      ...placement({ ...RESTRICTED_POD, runAsUser: 999, runAsGroup: 999, fsGroup: 999 }),
      serviceAccount: serviceAccount(),
      terminationGracePeriodSeconds: count(60, 'Seconds to write and close its file.', 1),
      ...probes(
        { periodSeconds: 1, timeoutSeconds: 6, failureThreshold: 1800 },
        { periodSeconds: 5, timeoutSeconds: 6, failureThreshold: 3 },
        { periodSeconds: 10, timeoutSeconds: 15, failureThreshold: 6 },
      ),
      ...additions(),
    },
    'The Redis that comes with the chart: one pod, everything synced before the 250. For small installations.',
  )

export const redis = () => section({ external: external(), bundled: bundled() }, 'Where the spool lies.')
