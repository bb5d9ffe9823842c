/** The section that says where the spool's Redis is: one server, one that Sentinels watch over, or a Redis Cluster. */
import { address, duration, percent } from '@sluice/runtime'
import { z } from 'zod'
import { file } from './schema-parts.ts'

const tlsSchema = z.strictObject({
  caFile: file()
    .nullable()
    .default(null)
    .describe('Who signed the certificates of Redis, PEM. Left out: those that Node.js trusts.'),
  certFile: file().nullable().default(null).describe('A certificate of our own, PEM, when Redis asks for one.'),
  keyFile: file().nullable().default(null).describe('Its private key, PEM.'),
})

const waitSchema = z
  .strictObject({
    replicas: z.int().min(1).max(10).default(1).describe('Replicas that must have a message before its 250.'),
    timeout: duration()
      .prefault('1s')
      .refine((ms) => ms >= 1 && ms <= 10_000, { error: 'expected 1ms to 10s' })
      .describe('For them to say so; then 451, and a possible duplicate.'),
  })
  .transform(({ replicas, timeout }) => ({ replicas, timeoutMs: timeout }))

export const redisSchema = z.strictObject({
  url: z
    .string()
    .regex(/^rediss?:\/\/.+/, { error: 'expected redis://host:port or rediss://host:port' })
    .nullable()
    .default(null)
    .describe('Where Redis is; `rediss://` for TLS. Without it, `sentinels` and `cluster`, `sluice up` runs its own.')
    .meta({ example: 'redis://127.0.0.1:6379' }),
  sentinels: z
    .array(address())
    .default([])
    .describe('Sentinels that know which server is the master, instead of `url`.')
    .meta({ example: '["10.0.0.1:26379", "10.0.0.2:26379", "10.0.0.3:26379"]' }),
  sentinelName: z.string().min(1).default('mymaster').describe('What the Sentinels call it.'),
  sentinelPasswordFile: file().nullable().default(null).describe('A file with the password of the Sentinels.'),
  cluster: z
    .array(address())
    .default([])
    .describe('Some nodes of a Redis Cluster, instead of `url`; the others are found through them. Give it 16 lanes.')
    .meta({ example: '["10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"]' }),
  user: z.string().min(1).nullable().default(null).describe('Whom to log in as (ACL). Left out: the default user.'),
  passwordFile: file().nullable().default(null).describe('A file with its password.'),
  tls: tlsSchema
    .nullable()
    .default(null)
    .describe('TLS to Redis, and to its Sentinels; with `url`, write `rediss://`, and this only for files of your own.'),
  wait: waitSchema
    .nullable()
    .default(null)
    .describe('A 250 waits until replicas have the message, too; docs/redis.md tells what this promises.'),
  lanes: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Parts of the keyspace, for Redis Cluster. Change it only with an empty spool.'),
  requireDurable: z
    .boolean()
    .default(true)
    .describe('Take mail only while Redis keeps what it has acknowledged: appendonly yes, appendfsync always, noeviction.'),
  fullAt: percent()
    .prefault('80%')
    .describe('Of its maxmemory; beyond it new mail gets 452 4.3.1, so that deliveries can still be recorded.'),
})
