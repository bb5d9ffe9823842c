/** kill −9 of Redis in mid-flow: clients are put off, agents keep what they have to record, and all goes on by itself. */
import { describe, expect, it } from 'vitest'
import { killInMidFlow } from './support/kill.ts'
import { allTo, useFarEnd, useSluice } from './support/scene.ts'

const KILLING = { service: 'redis', messages: 2000, connections: 10, kills: [400, 900, 1400] } as const

const far = useFarEnd()
const sluice = useSluice(() => allTo(far))

describe('redis is killed in mid-flow', () => {
  it('R-451: loses nothing that got a 250, delivers nothing twice, and what was refused is never delivered', async () => {
    const { load, lost, doubles, unanswered } = await killInMidFlow(sluice, far, KILLING)
    expect({ lost, doubles }).toEqual({ lost: [], doubles: 0 })
    expect(load.refusals.filter((reply) => !/^(421|451) 4\.3\./.test(reply))).toEqual([])
    // A write whose answer was lost is refused too, and said to be a possible duplicate: nothing else arrives without a 250.
    expect(unanswered).toBeLessThanOrEqual(sluice.events('duplicate-suspected').length)
  })
})
