/**
 * The Debian packages of debian-packages.cjs: installs the missing ones when it may (root, or sudo without a password),
 * and otherwise says in one line how to. Nothing that is installed here starts, now or at the next boot: neither a mail
 * server nor a Redis appears on a machine because somebody tried Sluice.
 */
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { DEBIAN_PACKAGES } = require('./debian-packages.cjs')
const { run } = require('./run.cjs')

const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const OLDEST_REDIS = 7

/** Where a program lies, or undefined. */
const find = (file) => {
  if (path.isAbsolute(file)) return fs.existsSync(file) ? file : undefined
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...SYSTEM_FOLDERS]
  return folders.map((folder) => path.join(folder, file)).find((candidate) => fs.existsSync(candidate))
}

/**
 * policy-rc.d keeps packages from starting services while they are installed (Debian Policy §9.3.3); Postfix comes
 * without a configuration, and without one it never starts; the units are disabled for the next boot.
 */
const INSTALL = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections || true
apt-get update -q || echo 'apt-get update failed; trying with the lists that are here'
apt-get install -q -y --no-install-recommends "$@"
if command -v systemctl > /dev/null; then
  for package in "$@"; do
    case $package in redis-server | postfix | knot | prometheus) systemctl disable "$package" || true ;; dovecot-core) systemctl disable dovecot || true ;; esac
  done
fi
`

/** The words before a command that make it root's; undefined when we cannot be root. */
const asRoot = () => {
  if (process.getuid?.() === 0) return []
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore' })
    return ['sudo', '-n']
  } catch {
    return undefined
  }
}

const install = async (names) => {
  const prefix = find('apt-get') === undefined ? undefined : asRoot()
  if (prefix === undefined) {
    throw new Error(`Missing programs. Please install them, then try again: sudo apt-get install ${names.join(' ')}`)
  }
  const [command, ...args] = [...prefix, 'sh', '-c', INSTALL, 'install', ...names]
  await run(`Installing Debian packages (they are not started): ${names.join(', ')}`, command, args)
}

/** Scripts with flags (`#!lua`) came with Redis 7. */
const checkRedis = () => {
  const server = find('redis-server')
  const version = /v=(\d+)[.\d]*/.exec(String(execFileSync(server, ['--version'])))
  if (version !== null && Number(version[1]) >= OLDEST_REDIS) return
  throw new Error(
    `Sluice needs Redis ${OLDEST_REDIS} or newer, or Valkey; ${server} is ${version?.[0] ?? 'of an unknown version'}.`,
  )
}

/** @param {'start' | 'test' | 'bench'} purpose */
const ensureDebianPackages = async (purpose) => {
  const missing = () => DEBIAN_PACKAGES.filter((entry) => entry.for.includes(purpose) && find(entry.file) === undefined)
  const names = missing().map((entry) => entry.name)
  if (names.length > 0) await install(names)
  const still = missing().map((entry) => entry.file)
  if (still.length > 0) throw new Error(`Installed, and yet not to be found: ${still.join(', ')}`)
  checkRedis()
}

module.exports = { ensureDebianPackages }
