import { stat } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { createCheckPassword, hashPassword, parseHash } from './passwords.ts'

describe('passwords', () => {
  it('a hash takes its own password and no other', async () => {
    const hash = await hashPassword('geheim')
    const check = createCheckPassword()
    expect([await check('geheim', hash), await check('Geheim', hash), await check('', hash)]).toEqual([true, false, false])
    expect(await hashPassword('geheim')).not.toBe(hash)
  })

  it('a plain password is compared as it stands', async () => {
    const check = createCheckPassword()
    expect([await check('geheim', 'geheim'), await check('geheim ', 'geheim')]).toEqual([true, false])
  })

  it('without a password, or with a broken hash, nobody gets in', async () => {
    const check = createCheckPassword()
    expect([await check('', null), await check('$scrypt$broken', '$scrypt$broken'), await check('x', null)]).toEqual([
      false,
      false,
      false,
    ])
  })

  it('a repeated success costs no scrypt, a changed password counts at once', async () => {
    const check = createCheckPassword()
    const hash = await hashPassword('geheim')
    await check('geheim', hash)
    const before = performance.now()
    for (let i = 0; i < 200; i++) expect(await check('geheim', hash)).toBe(true)
    expect(performance.now() - before).toBeLessThan(500)
    expect(await check('geheim', await hashPassword('neu'))).toBe(false)
  })

  it.each([
    '$scrypt$ln=40,r=8,p=1$c2FsdA$aGFzaGhhc2hoYXNoaGFzaA',
    '$scrypt$ln=14,r=0,p=1$c2FsdA$aGFzaGhhc2hoYXNoaGFzaA',
    '$2b$10$x',
    '',
  ])('the hash %s is refused', (text) => expect(parseHash(text)).toBeNull())
})

it('a flood of log-ins leaves threads for files', async () => {
  const check = createCheckPassword()
  let left = 24
  const flood = Array.from({ length: left }, async () => {
    expect(await check('wrong', 'right')).toBe(false)
    left--
  })
  await stat('.')
  expect(left).toBeGreaterThan(16)
  await Promise.all(flood)
})
