/** kill −9 of ingress in mid-flow: what got a 250 is delivered once, what did not is sent again by its client. */
import { describe, expect, it } from 'vitest'
import { unknownReplies } from './support/accounts.ts'
import { killInMidFlow } from './support/kill.ts'
import { allTo, useFarEnd, useSluice } from './support/scene.ts'

const KILLING = { service: 'ingress', messages: 2000, connections: 10, kills: [400, 900, 1400] } as const

const far = useFarEnd()
const sluice = useSluice(() => allTo(far))

describe('ingress is killed in mid-flow', () => {
  it('loses nothing that got a 250, and delivers nothing twice', async () => {
    const { load, lost, doubles, unanswered } = await killInMidFlow(sluice, far, KILLING)
    expect(load.taken()).toBe(KILLING.messages)
    expect({ lost, doubles }).toEqual({ lost: [], doubles: 0 })
    expect(unanswered).toBeLessThanOrEqual(unknownReplies(load.messages))
    expect(unknownReplies(load.messages)).toBeLessThanOrEqual(KILLING.kills.length * KILLING.connections)
  })
})
