/**
 * The gateway's config as JSON schema, for the key `config`: made from the schema that the services use, so that `helm install` finds
 * an unknown key before a pod does. Texts with a form of their own (durations, addresses) are left to the services.
 */
import { configSchema } from '@sluice/directory'
import { z } from 'zod'
import { cleanSchema, type Json } from './json-schema.ts'

/** Set by the chart; templates say so in words when the config has one of them. */
const CHART_KEYS = ['http', 'listeners', 'mailbox', 'shutdownGrace']
/** Of `redis`, the keys that stay the config's. */
const REDIS_KEYS = ['wait', 'lanes', 'requireDurable', 'fullAt']

/** YAML 1.1 has the key `off` as false; the templates put it right. */
const withOffKey = (rules: Json): Json => {
  const { off, ...items } = (rules.items as Json).properties as Json
  return { ...rules, items: { ...(rules.items as Json), properties: { ...items, off, false: off } } }
}

export const configJsonSchema = (): Json => {
  const json = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input', unrepresentable: 'any' })
  const whole = cleanSchema(json, { descriptions: false, variables: true }) as Json
  const properties = whole.properties as Record<string, Json>
  const { redis = {}, replyRules = {} } = properties
  const ofRedis = Object.entries(redis.properties as Json).map(([key, one]) => [key, REDIS_KEYS.includes(key) ? one : true])
  return {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...properties,
      redis: { ...redis, properties: Object.fromEntries(ofRedis) },
      replyRules: withOffKey(replyRules),
      ...Object.fromEntries(CHART_KEYS.map((key) => [key, true])),
    },
  }
}
