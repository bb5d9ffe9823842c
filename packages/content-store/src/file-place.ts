/**
 * Contents as files, for one machine or a volume that all share: DIRECTORY/ab/ID.LANE, where `ab` are the last two characters
 * of the ID. Written to DIRECTORY/tmp, synced, renamed, and the folder synced: a file under its final name is whole and
 * durable. What a crash left in tmp or without a task is found by the sweep through the file's time. DIRECTORY/.gateway says whose
 * they are.
 */

import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContentRef } from '@sluice/contracts'
import { ContentError } from './errors.ts'
import type { Found, IsNeeded, OwnedPlace, Sink } from './place.ts'

export type FilePlaceOptions = { directory: string; chunkBytes: number }
type FileRef = Extract<ContentRef, { store: 'file' }>

const isAbsent = (fault: unknown): boolean => fault instanceof Error && 'code' in fault && fault.code === 'ENOENT'

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a folder below `directory`; its name is durable when this resolves. */
const makeFolder = async (directory: string, name: string): Promise<string> => {
  const folder = join(directory, name)
  if ((await mkdir(folder, { recursive: true })) !== undefined) await syncDirectory(directory)
  return folder
}

/** Message IDs are letters and digits; whatever else comes must not lead out of the directory. */
const namesOf = (id: string, lane: number): { folder: string; file: string } => {
  if (!/^[0-9A-Za-z_-]{2,128}$/.test(id)) throw new ContentError('missing', `"${id}" is no name of a content`)
  return { folder: id.slice(-2), file: `${id}.${lane}` }
}

const openSink = async (directory: string, id: string, lane: number): Promise<Sink> => {
  const { folder, file } = namesOf(id, lane)
  const temporary = join(await makeFolder(directory, 'tmp'), file)
  const final = join(directory, folder, file)
  const handle: FileHandle = await open(temporary, 'w', 0o600)
  return {
    append: (piece) => handle.appendFile(piece),
    seal: async () => {
      await handle.sync()
      await handle.close()
      await makeFolder(directory, folder)
      await rename(temporary, final)
      await syncDirectory(join(directory, folder))
      return { store: 'file', lane }
    },
    discard: async () => {
      await handle.close().catch(() => {}) // closed already when it was sealed
      await rm(temporary, { force: true })
      await rm(final, { force: true })
    },
  }
}

async function* readPieces(options: FilePlaceOptions, id: string, ref: FileRef): AsyncIterable<Buffer> {
  const { folder, file } = namesOf(id, ref.lane)
  const handle = await open(join(options.directory, folder, file), 'r').catch((fault: unknown) => {
    if (isAbsent(fault)) throw new ContentError('missing', `content ${id} is not in ${options.directory}`, { cause: fault })
    throw fault
  })
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(options.chunkBytes)
      const { bytesRead } = await handle.read(piece, 0, piece.length)
      if (bytesRead === 0) return
      yield piece.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

const listOrNothing = async (folder: string): Promise<string[]> => {
  try {
    return await readdir(folder)
  } catch (fault) {
    if (isAbsent(fault)) return []
    throw fault
  }
}

/** @returns null when the file went away meanwhile */
const writtenAt = async (path: string): Promise<number | null> => {
  try {
    return (await stat(path)).mtimeMs
  } catch (fault) {
    if (isAbsent(fault)) return null
    throw fault
  }
}

type FoundFile = Found<FileRef> & { path: string }

async function* filesIn(folder: string, before: number): AsyncIterable<FoundFile> {
  for (const file of await listOrNothing(folder)) {
    const [, id, lane] = /^([0-9A-Za-z_-]+)\.(\d+)$/.exec(file) ?? []
    if (id === undefined) continue
    const path = join(folder, file)
    const at = await writtenAt(path)
    if (at !== null) yield { id, ref: { store: 'file', lane: Number(lane) }, isOld: at < before, path }
  }
}

async function* contentsIn(directory: string, before: number): AsyncIterable<FoundFile> {
  for (const folder of await listOrNothing(directory)) {
    if (/^[0-9A-Za-z_-]{2}$/.test(folder)) yield* filesIn(join(directory, folder), before)
  }
}

const sweepFiles = async (files: AsyncIterable<FoundFile>, isNeeded: IsNeeded): Promise<number> => {
  let removed = 0
  for await (const { id, ref, isOld, path } of files) {
    if (!isOld || (await isNeeded(id, ref))) continue
    await rm(path, { force: true })
    removed++
  }
  return removed
}

const ownerIn = (directory: string): string => join(directory, '.gateway')

/** An empty file, which a full disk may leave, says nothing. */
const readOwner = async (directory: string): Promise<string | null> => {
  try {
    return (await readFile(ownerIn(directory), 'utf8')).trim() || null
  } catch (fault) {
    if (isAbsent(fault)) return null
    throw fault
  }
}

/** Whole or not at all, whoever else writes it. */
const writeOwner = async (directory: string, gateway: string): Promise<void> => {
  const temporary = join(await makeFolder(directory, 'tmp'), `.gateway-${randomUUID()}`)
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(`${gateway}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, ownerIn(directory))
  await syncDirectory(directory)
}

export const createFilePlace = (options: FilePlaceOptions): OwnedPlace<FileRef> => ({
  open: (id, lane) => openSink(options.directory, id, lane),
  pieces: (id, ref) => readPieces(options, id, ref),
  remove: async (id, ref) => {
    const { folder, file } = namesOf(id, ref.lane)
    await rm(join(options.directory, folder, file), { force: true })
  },
  sweep: async (before, isNeeded) => {
    // What lies in tmp was never sealed, so nobody can need it.
    const unsealed = await sweepFiles(filesIn(join(options.directory, 'tmp'), before), async () => false)
    return unsealed + (await sweepFiles(contentsIn(options.directory, before), isNeeded))
  },
  where: ownerIn(options.directory),
  owner: () => readOwner(options.directory),
  own: (gateway) => writeOwner(options.directory, gateway),
  contents: (before) => contentsIn(options.directory, before),
})
