/** What every theme gets: the cluster, where this machine is for it, and which images it may use. */
import { createSocket } from 'node:dgram'
import type { TimedSteps } from '../support/timed-steps.ts'
import { createKube, type Kube } from './kube.ts'
import type { ClusterOptions } from './options.ts'

export type World = {
  options: ClusterOptions
  steps: TimedSteps
  /** The release that a theme installs, in a namespace of the theme's own. */
  release: (name: string) => Kube
  /** This machine, as pods see it, and as its connections look to them. */
  host: string
  /** Values that name the images: none for the first tag, which is the chart's own. */
  images: (tag: 'first' | 'second') => { image?: { registry?: string; tag?: string } }
}

/** A theme is a chapter of the proof: it installs what it needs, and leaves nothing behind. */
export type Theme = (world: World) => Promise<void>

/** The address of this machine that leads to another one; nothing is sent. */
const addressTowards = (there: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.connect(25, there, () => {
      const { address } = socket.address()
      socket.close(() => resolve(address))
    })
  })

type Nodes = { items: { metadata: { name: string }; status: { addresses: { type: string; address: string }[] } }[] }

export const createWorld = async (options: ClusterOptions, steps: TimedSteps): Promise<World> => {
  const release = (name: string): Kube => createKube(`${options.namespace}-${name}`, 'sluice')
  const nodes = await release('any').get<Nodes>('nodes')
  const address = nodes.items[0]?.status.addresses.find(({ type }) => type === 'InternalIP')?.address
  if (address === undefined) throw new Error('the cluster has no node with an address')
  const { registry, tags } = options
  return {
    options,
    steps,
    release,
    host: options.host ?? (await addressTowards(address)),
    images: (which) => {
      const image = {
        ...(registry === undefined ? {} : { registry }),
        ...(which === 'first' ? {} : { tag: tags.second }),
      }
      return Object.keys(image).length === 0 ? {} : { image }
    },
  }
}
