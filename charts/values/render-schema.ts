/** values.schema.json, closed: made from the schemas of the values and of the gateway's config. Pure. */
import { z } from 'zod'
import { configJsonSchema } from './config-schema.ts'
import { cleanSchema, type Json } from './json-schema.ts'
import { valuesSchema } from './schema.ts'

export const renderSchema = (): string => {
  const json = z.toJSONSchema(valuesSchema, { target: 'draft-7', io: 'input' })
  const { properties, ...rest } = cleanSchema(json, { descriptions: true, variables: false }) as Json
  return `${JSON.stringify({ ...rest, properties: { ...(properties as Json), config: configJsonSchema() } }, null, 2)}\n`
}
