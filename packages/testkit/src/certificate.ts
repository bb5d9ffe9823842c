/** Certificates for tests, made by openssl: a CA of the test's own and a server certificate that it signed. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** All PEM. Clients that verify need `ca`; whoever needs files writes them where it likes. */
export type TestCertificate = { key: string; cert: string; ca: string }

/** @param names what the certificate is for; host names and IP addresses @param days until it expires */
export const createCertificate = async (names: string[] = ['localhost', '127.0.0.1'], days = 2): Promise<TestCertificate> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-cert-'))
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder })
  try {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    await openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Sluice test CA')
    await openssl('req', ...curve, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', `/CN=${names[0] ?? 'localhost'}`)
    const alternatives = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`).join(',')
    await writeFile(file('extensions'), `subjectAltName=${alternatives}\n`)
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', `${days}`, '-extfile', 'extensions']
    await openssl('x509', '-req', '-in', 'request.pem', ...signing, '-out', 'cert.pem')
    const [key, cert, ca] = await Promise.all(['key.pem', 'cert.pem', 'ca.pem'].map((name) => readFile(file(name), 'utf8')))
    return { key: key ?? '', cert: cert ?? '', ca: ca ?? '' }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
