/**
 * Which class each recipient's copy of a message is of, and so which destinations it goes to. Without classes in the config nothing
 * here costs anything; header fields are read only where a class asks for them.
 */
import { destinationName, type Recipient } from '@sluice/contracts'
import type { ClassFacts } from '@sluice/directory'
import type { Destination } from '@sluice/spool'
import type { ClassDirectory } from './dependencies.ts'
import { type Field, fieldText } from './headers.ts'

/** Characters of a field's value that classes see. */
const MOST_VALUE = 1000
/** Fields of one name that are looked at. */
const MOST_FIELDS = 20

export type ClassFields = ReadonlyMap<string, readonly string[]>

export const NO_FIELDS: ClassFields = new Map()
const NO_VALUES: readonly string[] = []

/** The fields that classes ask for, by name in lower case. @param head the header's bytes, which `fields` point into */
export const classFields = (directory: ClassDirectory, head: Buffer, fields: readonly Field[]): ClassFields => {
  const asked = directory.classHeaders()
  if (asked === null || asked.size === 0) return NO_FIELDS
  const found = new Map<string, string[]>()
  for (const field of fields) {
    if (!asked.has(field.name)) continue
    const values = found.get(field.name) ?? []
    if (values.length < MOST_FIELDS) values.push(fieldText(head, field, MOST_VALUE))
    found.set(field.name, values)
  }
  return found
}

/** @param hops recipients by next hop @returns recipients by destination: next hop and class */
export const byClass = (
  directory: ClassDirectory,
  hops: Map<Destination, Recipient[]>,
  facts: Omit<ClassFacts, 'recipient' | 'header'>,
  fields: ClassFields,
): Map<Destination, Recipient[]> => {
  if (directory.classHeaders() === null) return hops
  const header = (name: string): readonly string[] => fields.get(name) ?? NO_VALUES
  const destinations = new Map<Destination, Recipient[]>()
  for (const [hop, recipients] of hops) {
    for (const recipient of recipients) {
      const name = destinationName(hop, directory.classOf({ ...facts, recipient: recipient.address, header }))
      const group = destinations.get(name)
      if (group === undefined) destinations.set(name, [recipient])
      else group.push(recipient)
    }
  }
  return destinations
}
