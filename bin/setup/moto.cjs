/**
 * moto, an S3 server in Python that tests talk to, in `.tools/moto`: a virtual environment, or, where Python has no venv, a folder of
 * modules beside the system's Python. Versions stand in packages/testkit/moto-requirements.txt; a changed file installs anew.
 */
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { root, run } = require('./run.cjs')

const REQUIREMENTS = path.join(root, 'packages', 'testkit', 'moto-requirements.txt')
const FOLDER = path.join(root, '.tools', 'moto')
const MODULES = path.join(FOLDER, 'modules')
const STAMP = path.join(FOLDER, 'installed.txt')
const PIP = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS]

const succeeds = (command, args) => {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const isThere = () => fs.existsSync(STAMP) && fs.readFileSync(STAMP, 'utf8') === fs.readFileSync(REQUIREMENTS, 'utf8')

/** @param {'start' | 'test' | 'bench'} purpose */
const ensureMoto = async (purpose) => {
  if (purpose !== 'test' || isThere()) return
  fs.rmSync(FOLDER, { recursive: true, force: true })
  fs.mkdirSync(FOLDER, { recursive: true })
  const hasVenv = succeeds('python3', ['-m', 'venv', path.join(FOLDER, 'venv')])
  if (!hasVenv) fs.rmSync(path.join(FOLDER, 'venv'), { recursive: true, force: true })
  const python = hasVenv ? path.join(FOLDER, 'venv', 'bin', 'python3') : 'python3'
  await run('Installing moto, an S3 server for tests', python, hasVenv ? PIP : [...PIP, '--target', MODULES])
  fs.copyFileSync(REQUIREMENTS, STAMP)
}

module.exports = { ensureMoto }
