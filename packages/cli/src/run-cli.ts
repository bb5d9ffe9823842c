/** From the words of the command line to a command's exit code: help, version, and what is said about mistakes. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, formatProblems } from '@sluice/runtime'
import { type Command, EXIT, type ExitCode, type Io, UsageError } from './command.ts'
import { COMMANDS } from './commands.ts'

const overview = (): string => {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2
  const rows = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`)
  return `sluice: an SMTP gateway

Usage: sluice COMMAND [options]

Commands:
${rows.join('\n')}

Each takes --help, and --json for output that programs read. \`sluice --version\` prints the version.
Exit codes: 0 done; 1 failed; 2 the command line or the config is wrong; 3 not found.
`
}

const version = async (): Promise<string> => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string }
  return version
}

const find = (argv: readonly string[]): { command: Command; args: string[] } | null => {
  for (const command of COMMANDS) {
    const words = command.name.split(' ')
    if (words.every((word, at) => argv[at] === word)) return { command, args: argv.slice(words.length) }
  }
  return null
}

/** What `util.parseArgs` throws is the user's mistake too. */
const isUsage = (fault: unknown): fault is Error =>
  fault instanceof UsageError || (fault instanceof Error && 'code' in fault && String(fault.code).startsWith('ERR_PARSE_ARGS'))

const noSuch = (words: readonly string[], io: Io): ExitCode => {
  io.err(`sluice: there is no command "${words.slice(0, 2).join(' ')}"\n\n${overview()}`)
  return EXIT.usage
}

const explain = (fault: unknown, command: Command, io: Io): ExitCode => {
  if (fault instanceof ConfigError) {
    io.err(`${formatProblems(fault.problems)}\n`)
    return EXIT.usage
  }
  if (isUsage(fault)) {
    io.err(`sluice ${command.name}: ${fault.message}\nTry: sluice ${command.name} --help\n`)
    return EXIT.usage
  }
  io.err(`sluice ${command.name}: ${fault instanceof Error ? fault.message : String(fault)}\n`)
  return EXIT.failed
}

export const runCli = async (argv: readonly string[], io: Io): Promise<ExitCode> => {
  const [first] = argv
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
    const words = first === 'help' ? argv.slice(1) : []
    const topic = find(words)
    if (topic === null && words.length > 0) return noSuch(words, io)
    io.out(topic?.command.help ?? overview())
    return first === undefined ? EXIT.usage : EXIT.ok
  }
  if (first === '--version' || first === 'version') {
    io.out(`${await version()}\n`)
    return EXIT.ok
  }
  const found = find(argv)
  if (found === null) return noSuch(argv, io)
  if (found.args.includes('--help') || found.args.includes('-h')) {
    io.out(found.command.help)
    return EXIT.ok
  }
  try {
    return await found.command.run(found.args, io)
  } catch (fault) {
    return explain(fault, found.command, io)
  }
}
