/**
 * A Node.js that can run Sluice: the one that runs this, when it is new enough; else one fetched as an npm package
 * into `.tools`. `.tools/bin/node` points to the one chosen, and bin/node and bin/sluice run that.
 */
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { root, run } = require('./run.cjs')

/** Sluice is TypeScript that Node.js runs as it is; this is the oldest version that does so without a flag or a warning. */
const OLDEST = [22, 19]
const FETCHED = '24'

const isNewEnough = (version) => {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}

const works = (node) => {
  try {
    return isNewEnough(String(execFileSync(node, ['--version'])))
  } catch {
    return false
  }
}

const fetchNode = async () => {
  const name = `node-${process.platform}-${process.arch}`
  const prefix = path.join(root, '.tools', 'node')
  const node = path.join(prefix, 'node_modules', name, 'bin', 'node')
  if (works(node)) return node
  const wish = `Please install Node.js ${OLDEST.join('.')} or newer; this one is ${process.version}.`
  if (!['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'].includes(`${process.platform}-${process.arch}`)) {
    throw new Error(wish)
  }
  fs.mkdirSync(prefix, { recursive: true })
  const args = ['install', '--prefix', prefix, '--no-save', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${FETCHED}`]
  await run(`Fetching Node.js ${FETCHED} into .tools (this machine has ${process.version})`, 'npm', args)
  if (!works(node)) throw new Error(`The fetched Node.js does not run on this machine. ${wish}`)
  return node
}

/** The path of a Node.js that is new enough; throws when there is none to be had. */
const ensureNode = async () => {
  const node = isNewEnough(process.version) ? process.execPath : await fetchNode()
  const bin = path.join(root, '.tools', 'bin')
  const link = path.join(bin, 'node')
  fs.mkdirSync(bin, { recursive: true })
  if (!fs.existsSync(link) || fs.realpathSync(link) !== fs.realpathSync(node)) {
    fs.rmSync(link, { force: true })
    fs.symlinkSync(node, link)
  }
  return node
}

module.exports = { ensureNode }
