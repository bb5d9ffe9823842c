/**
 * The npm packages of the workspace, exactly as pnpm-lock.yaml names them. A stamp inside node_modules remembers what was
 * installed last, so that nothing runs when nothing changed, and everything does when node_modules was removed.
 */
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { root, run } = require('./run.cjs')

const PNPM = '12'

/** Path of pnpm, fetched into .tools the first time. */
const ensurePnpm = async () => {
  const prefix = path.join(root, '.tools', 'pnpm')
  const pnpm = path.join(prefix, 'node_modules', 'pnpm', 'bin', 'pnpm.mjs')
  if (fs.existsSync(pnpm)) return pnpm
  fs.mkdirSync(prefix, { recursive: true })
  const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  await run('Fetching pnpm into .tools', 'npm', ['install', '--prefix', prefix, ...flags, `pnpm@${PNPM}`])
  return pnpm
}

const fingerprint = () => {
  const hash = createHash('sha256')
  for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(fs.readFileSync(path.join(root, name)))
  return hash.digest('hex')
}

const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '')

/** @param {string} node path of the Node.js to run pnpm with */
const ensureWorkspace = async (node) => {
  const stamp = path.join(root, 'node_modules', '.sluice-installed')
  const wanted = fingerprint()
  if (read(stamp) === wanted) return
  const pnpm = await ensurePnpm()
  const args = ['install', '--frozen-lockfile', '--config.confirm-modules-purge=false', '--reporter=append-only']
  const env = { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}` }
  await run('Installing the npm packages that pnpm-lock.yaml names', node, [pnpm, ...args], env)
  fs.writeFileSync(stamp, wanted)
}

module.exports = { ensurePnpm, ensureWorkspace }
