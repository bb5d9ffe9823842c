/**
 * Makes a checkout ready to run: a new enough Node.js, the npm packages, Redis, and for the tests the mail programs they
 * talk to. It runs before `npm start`, `npm test` and their like (see package.json), on Node.js 18 and newer, so that
 * nothing but git, Node.js and npm has to be there before.
 *
 *   node bin/setup.cjs [start | test | bench]
 *
 * What is there already is left alone; a second run takes well under a second. Everything fetched from npm lies in
 * `.tools` and `node_modules`; Debian packages are installed only by root or with a sudo that asks for no password,
 * and what they install is not started. Exit code 0: ready; 1: something is missing, and the last line says what to do.
 */
const { ensureDebianPackages } = require('./setup/debian.cjs')
const { ensureHelm } = require('./setup/helm.cjs')
const { ensureMoto } = require('./setup/moto.cjs')
const { ensureNode } = require('./setup/node.cjs')
const { ensureWorkspace } = require('./setup/workspace.cjs')

const PURPOSES = ['start', 'test', 'bench']

const main = async (purpose) => {
  if (!PURPOSES.includes(purpose)) throw new Error(`setup: expected one of ${PURPOSES.join(', ')}, found ${purpose}`)
  const node = await ensureNode()
  await ensureWorkspace(node)
  await ensureDebianPackages(purpose)
  await ensureMoto(purpose)
  if (purpose === 'test') await ensureHelm()
}

main(process.argv[2] ?? 'start').catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
