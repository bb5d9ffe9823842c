/** Runs one long command quietly: a line before, a sign of life every ten seconds, its own words only when it fails. */
const { spawn } = require('node:child_process')
const path = require('node:path')

const root = path.resolve(__dirname, '..', '..')
const LAST_LINES = 30

const say = (line) => process.stdout.write(`${line}\n`)

const lastLines = (text) => text.trimEnd().split('\n').slice(-LAST_LINES).join('\n')

/**
 * Resolves with the command's output when it exits with 0; throws an error with its last lines otherwise.
 * @param {string} what what this does, as a reader sees it: `Fetching pnpm`
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
const run = (what, command, args, env = process.env) =>
  new Promise((resolve, reject) => {
    say(`${what} …`)
    const startedAt = Date.now()
    const seconds = () => Math.round((Date.now() - startedAt) / 1000)
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const life = setInterval(() => say(`  still at it, ${seconds()} s`), 10_000)
    let output = ''
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', (error) => {
      clearInterval(life)
      reject(new Error(`${what} failed: ${error.message}`))
    })
    child.once('close', (code) => {
      clearInterval(life)
      if (code === 0) resolve(output)
      else reject(new Error(`${what} failed (exit code ${code}). The end of its output:\n${lastLines(output)}`))
    })
  })

module.exports = { root, run }
