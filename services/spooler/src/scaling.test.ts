import { expect, it } from 'vitest'
import { createScaling } from './scaling.ts'

const PER_AGENT = 50
/** What one lane of so many wants. */
const inOne = (lanes: number, open: number, waiting: number) =>
  Array.from({ length: lanes }, (_, i) => (i === 3 % lanes ? { open, waiting } : { open: 0, waiting: 0 }))

it.each([
  ['one lane', inOne(1, 40, 10), { sessions: 50, open: 40, waiting: 10, agents: 1 }],
  ['16 lanes that want the same', Array(16).fill({ open: 2, waiting: 1 }), { sessions: 48, open: 32, waiting: 16, agents: 1 }],
  // An agent holds four of a lane of 16: one smarthost is one destination in one lane.
  ['16 lanes, of which one wants all', inOne(16, 8, 42), { sessions: 625, open: 8, waiting: 42, agents: 13 }],
  ['16 lanes, of which one wants what an agent holds of it', inOne(16, 4, 0), { sessions: 50, open: 4, waiting: 0, agents: 1 }],
  ['16 lanes, of which one wants one more', inOne(16, 4, 1), { sessions: 63, open: 4, waiting: 1, agents: 2 }],
  ['more lanes than places', inOne(64, 1, 1), { sessions: 100, open: 1, waiting: 1, agents: 2 }],
  ['nothing', inOne(16, 0, 0), { sessions: 0, open: 0, waiting: 0, agents: 0 }],
])('%s: as many agents as hold all conversations, of the fullest lane too', async (_, lanes, figure) => {
  expect(await createScaling(() => Promise.resolve(lanes), PER_AGENT)()).toEqual({ ...figure, perAgent: PER_AGENT })
})
