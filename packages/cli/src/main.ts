/** `sluice` from the checkout: see bin/sluice. Wiring only. */
import { enableCompileCache } from 'node:module'
import { COMPILE_CACHE } from './data-folder.ts'

enableCompileCache(COMPILE_CACHE)
const { runCli } = await import('./run-cli.ts')
process.exitCode = await runCli(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
})
