/** `sluice` from the checkout: see bin/sluice. Wiring only. */
import { runCli } from './run-cli.ts'

const code = await runCli(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
})
process.exitCode = code
