/** How many bytes an image holds over its base: what a node has to fetch and keep besides what it has already. */
import { type Builder, run } from './builder.ts'

/** Of all files, as `du` counts them without a file system's rounding. */
const bytesOf = async (folder: string): Promise<number> => Number((await run('du', ['-sb', folder])).split('\t')[0])

/** buildah keeps sizes to itself: its images are mounted and looked into, which takes root, or `buildah unshare`. */
const mountedBytes = async (reference: string): Promise<number> => {
  const container = await run('buildah', ['from', '--pull-never', reference])
  try {
    return await bytesOf(await run('buildah', ['mount', container]))
  } finally {
    await run('buildah', ['rm', container])
  }
}

const bytes = async (builder: Builder, reference: string): Promise<number> =>
  builder === 'buildah'
    ? mountedBytes(reference)
    : Number(await run(builder, ['image', 'inspect', '--format', '{{.Size}}', reference]))

export const bytesOverBase = async (builder: Builder, reference: string, base: string): Promise<number> =>
  (await bytes(builder, reference)) - (await bytes(builder, base))
