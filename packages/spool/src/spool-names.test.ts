/** A route is a destination, and its keys stand beside the spool's own: every name that any source uses must be kept from routes. */
import { globSync, readFileSync } from 'node:fs'
import { SPOOL_NAMES } from '@sluice/contracts'
import { expect, it } from 'vitest'

const ROOT = new URL('../../..', import.meta.url).pathname
/** Of publish and subscribe, which share no names with keys. */
const CHANNELS = new Set(['nudge'])

const sources = globSync(['packages/{spool,content-store}/src/scripts/*.lua', '{packages,services}/*/src/**/*.ts'], { cwd: ROOT })
  .filter((file) => !file.endsWith('.test.ts'))
  .map((file) => readFileSync(`${ROOT}${file}`, 'utf8'))

/** `LANE .. ':name'` of scripts, `LANE:name` of their headers, `${prefix}:name` and the like. */
const NAMED = /(?:LANE(?: \.\. ')?|\$\{(?:prefix|home|lane|PREFIX|lanePrefix(?:\([^}]*\))?)\}):([a-z][a-z-]*)(:?)/g
const named = sources.flatMap((source) => [...source.matchAll(NAMED)])

it('no key of the spool has a name that a route may have', () => {
  const names = new Set(named.map(([, name = '']) => name).filter((name) => !CHANNELS.has(name)))
  // They were found at all, in scripts and elsewhere.
  for (const known of ['audit', 'contents', 'due', 'lingering', 'permits']) expect(names).toContain(known)
  expect([...names].filter((name) => !SPOOL_NAMES.has(name))).toEqual([])
})

it('the survey takes no key of the spool’s own for a destination’s', () => {
  const survey = sources.find((source) => source.includes('survey: looks at'))
  const own = /gmatch\('([a-z ]+)'/.exec(survey ?? '')?.[1]?.split(' ') ?? []
  const withMoreBehind = named.flatMap(([, name = '', colon]) => (colon === ':' && !CHANNELS.has(name) ? [name] : []))
  expect(own).toEqual(expect.arrayContaining([...new Set(withMoreBehind)]))
  expect(own.filter((name) => !SPOOL_NAMES.has(name))).toEqual([])
})
