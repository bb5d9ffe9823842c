/** The themes, in the order in which a user would meet them. */
import type { Theme } from '../world.ts'
import { edges } from './edges.ts'
import { faults } from './faults.ts'
import { install } from './install.ts'
import { redisCluster } from './redis-cluster.ts'
import { s3 } from './s3.ts'
import { scaling } from './scaling.ts'
import { sentinel } from './sentinel.ts'

/** `says`: what it proves, for the help. */
export const THEMES: Record<string, { says: string; run: Theme }> = {
  install: {
    says: 'no values, first mail, helm test, security contexts, a gateway behind a load balancer, uninstall',
    run: install,
  },
  edges: { says: 'a certificate replaced without a restart, PROXY protocol from a trusted network, log-in on 587', run: edges },
  faults: { says: 'upgrade, rollback, scaling, deaths, drain and a cut network under a steady load; the account', run: faults },
  scaling: { says: 'delivery-agents by KEDA and by an HPA, up to what a site takes and back', run: scaling },
  sentinel: {
    says: 'Redis outside the chart with Sentinels: a failover under load, each 250 waits for both replicas',
    run: sentinel,
  },
  'redis-cluster': { says: 'Redis outside the chart as a Cluster of three shards; one is killed under load', run: redisCluster },
  s3: { says: 'contents in an S3 bucket', run: s3 },
}
