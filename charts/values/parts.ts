/** Building blocks of the values: what our own sections are closed with, and Kubernetes' own types, which Kubernetes checks. */
import { z } from 'zod'

type Shape = Record<string, z.ZodType>

/** A section of ours, closed to unknown keys. */
export const section = <S extends Shape>(shape: S, text: string) => z.strictObject(shape).prefault({}).describe(text)

export const text = (fallback: string, about: string) => z.string().default(fallback).describe(about)
export const flag = (fallback: boolean, about: string) => z.boolean().default(fallback).describe(about)
export const count = (fallback: number, about: string, least = 0) => z.int().min(least).default(fallback).describe(about)
export const countOrNull = (about: string, least = 0) => z.int().min(least).nullable().default(null).describe(about)
export const choice = <const Names extends readonly [string, ...string[]]>(
  names: Names,
  fallback: Names[number],
  about: string,
) =>
  z
    .enum(names)
    .default(fallback as never)
    .describe(about)
export const port = (fallback: number, about: string) => z.int().min(1).max(65_535).default(fallback).describe(about)
export const texts = (about: string, fallback: string[] = []) => z.array(z.string()).default(fallback).describe(about)

/** Labels and annotations: values that are numbers or truth values must be quoted, as Kubernetes has it. */
export const labels = (about: string, fallback: Record<string, string> = {}) =>
  z.record(z.string(), z.string()).default(fallback).describe(about).meta({ type: 'map of texts' })

/** One of Kubernetes' own types. `type`: as it is called there. */
export const object = (type: string, about: string, fallback: Record<string, unknown> = {}) =>
  z.looseObject({}).default(fallback).describe(about).meta({ type })
export const list = (type: string, about: string, fallback: Record<string, unknown>[] = []) =>
  z
    .array(z.looseObject({}))
    .default(fallback)
    .describe(about)
    .meta({ type: `list of ${type}` })

export const quantity = (fallback: string, about: string) =>
  z
    .string()
    .regex(/^[0-9.]+([EPTGMk]i?|m)?$/)
    .default(fallback)
    .describe(about)
    .meta({ type: 'quantity' })
