/**
 * `helm test`: is the sink at the end of a route of the gateway, and the client at its beginning. One mail must arrive here; a second
 * one is refused here, and its notice must come back. Exit code 0: both did; 1: what was missing, in words.
 */
import { createConnection, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const { INGRESS_HOST = '', INGRESS_PORT = '25', TEST_DOMAIN = '', TIMEOUT_SECONDS = '120', PROXY_PROTOCOL = 'no' } = process.env
const SINK_PORT = Number(process.env.SINK_PORT ?? 2525)
/** A listener says its greeting at once; one that waits for a PROXY header does not. */
const GREETING_MS = 10_000
const deadline = Date.now() + Number(TIMEOUT_SECONDS) * 1000

/** What has arrived: { from, to, text }. */
const arrived = []

/** One conversation of the sink: refuses the recipient `refused`, takes all else. */
const serve = (socket) => {
  const mail = { from: '', to: [], lines: null }
  const say = (line) => socket.write(`${line}\r\n`)
  const path = (line) => /<([^>]*)>/.exec(line)?.[1] ?? ''
  const inData = (line) => {
    if (line !== '.') return mail.lines.push(line.replace(/^\./, ''))
    arrived.push({ from: mail.from, to: mail.to, text: mail.lines.join('\n') })
    mail.lines = null
    return say('250 2.0.0 arrived')
  }
  const verbs = {
    EHLO: () => say('250 sink'),
    HELO: () => say('250 sink'),
    MAIL: (line) => {
      Object.assign(mail, { from: path(line), to: [] })
      say('250 2.1.0 ok')
    },
    RCPT: (line) => {
      if (path(line).startsWith('refused@')) return say('550 5.1.1 helm test refuses this recipient')
      mail.to.push(path(line))
      return say('250 2.1.5 ok')
    },
    DATA: () => {
      if (mail.to.length === 0) return say('554 5.5.1 no valid recipients')
      mail.lines = []
      return say('354 go on')
    },
    RSET: () => say('250 2.0.0 ok'),
    NOOP: () => say('250 2.0.0 ok'),
    QUIT: () => socket.end('221 2.0.0 bye\r\n'),
  }
  socket.on('error', () => {})
  createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
    if (mail.lines !== null) inData(line)
    else (verbs[line.slice(0, 4).toUpperCase()] ?? (() => say('500 5.5.2 unknown')))(line)
  })
  say('220 sink ESMTP')
}

/** Says the lines one after the other, each after the reply to the one before. Throws when a reply is not as it should be. */
const converse = async (head, lines) => {
  const socket = createConnection({ host: INGRESS_HOST, port: Number(INGRESS_PORT) })
  socket.setTimeout(GREETING_MS, () => socket.destroy(new Error(`no word for ${GREETING_MS / 1000} s`)))
  const replies = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]()
  const failed = new Promise((_, reject) => {
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection ended')))
  })
  const reply = async () => {
    const { value = '', done } = await Promise.race([replies.next(), failed])
    if (done) throw new Error('the connection ended')
    return /^\d{3}-/.test(value) ? reply() : value
  }
  try {
    if (head !== '') socket.write(head)
    let last = await reply()
    for (const line of lines) {
      if (!/^[23]/.test(last)) throw new Error(last)
      socket.write(`${line}\r\n`)
      last = await reply()
    }
    if (!/^[23]/.test(last)) throw new Error(last)
    return last
  } finally {
    socket.destroy()
  }
}

/** A balancer's networks may hold this pod: then a header is expected of it, too. */
const heads = PROXY_PROTOCOL === 'no' ? [''] : ['', 'PROXY UNKNOWN\r\n']

const send = async (to, subject) => {
  const from = `sender@${TEST_DOMAIN}`
  const content = [`From: ${from}`, `To: ${to}`, `Subject: ${subject}`, `Date: ${new Date().toUTCString()}`, '', 'A test.', '.']
  const lines = ['EHLO helm-test.internal', `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA', content.join('\r\n')]
  let reason = ''
  while (Date.now() < deadline) {
    for (const head of heads) {
      try {
        return await converse(head, lines)
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error)
      }
    }
    // The address of a Service may take a moment until it leads somewhere.
    await sleep(1000)
  }
  throw new Error(`ingress did not take the mail for ${to}: ${reason}`)
}

const awaitMail = async (what, isIt) => {
  while (Date.now() < deadline) {
    const mail = arrived.find(isIt)
    if (mail !== undefined) return mail
    await sleep(100)
  }
  throw new Error(`${what} did not arrive within ${TIMEOUT_SECONDS} s; \`sluice queue\` in a pod of ingress may tell why`)
}

const run = async () => {
  const nonce = Math.random().toString(36).slice(2)
  const startedAt = Date.now()
  const took = () => `${((Date.now() - startedAt) / 1000).toFixed(1)} s`
  console.log(`ok: ingress took a mail: ${await send(`arrives@${TEST_DOMAIN}`, `arrives ${nonce}`)}`)
  await awaitMail('the mail', ({ text }) => text.includes(`Subject: arrives ${nonce}`))
  console.log(`ok: it arrived after ${took()}`)
  console.log(`ok: ingress took a mail that will be refused: ${await send(`refused@${TEST_DOMAIN}`, `refused ${nonce}`)}`)
  const isNotice = ({ from, to, text }) =>
    from === '' &&
    to.some((one) => one.startsWith('sender@')) &&
    /multipart\/report/i.test(text) &&
    text.includes(`refused ${nonce}`)
  const { text } = await awaitMail('the notice', isNotice)
  if (!text.includes('550 5.1.1 helm test refuses this recipient'))
    throw new Error('the notice does not say what the far end said')
  console.log(`ok: its notice came back, with the reply of the far end, after ${took()}`)
}

const server = createServer(serve)
server.listen(SINK_PORT, () => {
  run().then(
    () => process.exit(0),
    (error) => {
      console.error(`FAIL: ${error.message}`)
      process.exit(1)
    },
  )
})
