/** From nothing to the first mail, the chart's own test, mail that stays, mail that fails, whose client it was, and back to nothing. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { submit, submitRaw } from '../../support/client.ts'
import { eventually } from '../../support/gateway.ts'
import { balancerAddress } from '../balancer.ts'
import { looseContexts } from '../containers.ts'
import { forwardPort, type Kube } from '../kube.ts'
import { mailIn, untilMail } from '../mailbox.ts'
import { leftovers, removeRelease } from '../uninstall.ts'
import { gatewayValues } from '../values.ts'
import type { Theme, World } from '../world.ts'

const FIRST_MAIL_WITHIN_MS = 60_000
const SERVICES = ['ingress', 'spooler', 'delivery-agent', 'mailbox', 'redis'] as const

const expect = (what: string, holds: boolean): void => {
  if (!holds) throw new Error(what)
}

/** The commands of NOTES.txt, as they stand there: they work where NetworkPolicies are enforced, and where they are not. */
const firstMailByNotes = async (kube: Kube): Promise<string> => {
  const notes = await kube.helm('get', 'notes', kube.release)
  const [send = '', list = ''] = ['sluice send', '/data/mail/'].map((words) =>
    notes.split('\n').find((line) => line.trim().startsWith('kubectl ') && line.includes(words)),
  )
  const before = await kube.command(list)
  const said = await kube.command(send)
  expect(`"${send.trim()}" said ${said}`, said.startsWith('queued as '))
  const isThere = async (): Promise<boolean> => (await kube.command(list)).length > before.length
  await eventually('one more mail where the notes say it lands', isThere, 60_000, 250)
  return said.trim()
}

/** To the mailbox that an install with no values has, through a port-forward. */
const sendFirstMail = async (kube: Kube): Promise<void> => {
  const forward = await forwardPort(kube, `service/${kube.release}-ingress`, 25)
  try {
    await submit(forward.port, { from: 'you@example.com', to: ['me@sluice.test'], subject: 'the first mail' })
  } finally {
    forward.close()
  }
  await untilMail(kube, 'the first mail')
}

const installAndSend = async (world: World, kube: Kube): Promise<string> => {
  const startedAt = performance.now()
  await kube.install(world.images('first'))
  const readyMs = performance.now() - startedAt
  await sendFirstMail(kube)
  const mailMs = performance.now() - startedAt
  const text = `pods ready after ${(readyMs / 1000).toFixed(1)} s, first mail delivered after ${(mailMs / 1000).toFixed(1)} s, of at most ${FIRST_MAIL_WITHIN_MS / 1000}`
  expect(text, mailMs <= FIRST_MAIL_WITHIN_MS)
  return text
}

const helmTest = async (kube: Kube): Promise<string> => {
  const output = await kube.helm('test', kube.release, '--logs', '--timeout', '120s')
  expect(`no test succeeded: ${output}`, /Phase:\s+Succeeded/.test(output))
  return 'the chart has sent a mail to itself'
}

const bouncedMail = async (kube: Kube, host: string): Promise<string> => {
  await submit(25, { host, from: 'me@sluice.test', to: ['reject@far.test'], subject: 'to be refused' })
  const notice = await untilMail(kube, 'multipart/report')
  expect(`the notice has no transcript:\n${notice}`, /^C: RCPT TO:<reject@far\.test>/m.test(notice))
  return 'the notice is in the sender’s mailbox, with the transcript'
}

/** The far end reads in the Received field who our client was. */
const keptAddress = async (world: World, far: FarEnd, host: string): Promise<string> => {
  await submit(25, { host, from: 'me@sluice.test', to: ['kept@far.test'], subject: 'whose client' })
  const received = await eventually('the mail at the far end', () =>
    far.messages.find(({ recipients }) => recipients.some(({ address }) => address === 'kept@far.test')),
  )
  const head = received.content.toString('latin1').slice(0, 1000)
  expect(`not from ${world.host}:\n${head}`, head.includes(`[${world.host}]`))
  return `Received: from [${world.host}]`
}

/** With externalTrafficPolicy Cluster the client's address is a node's: nobody we know. */
const hiddenClient = async (kube: Kube, host: string): Promise<string> => {
  const policy = (name: string): Promise<string> =>
    kube.kubectl(
      'patch',
      'service',
      `${kube.release}-ingress`,
      '--type=merge',
      '-p',
      `{"spec":{"externalTrafficPolicy":"${name}"}}`,
    )
  await policy('Cluster')
  try {
    return await eventually(
      'a hidden client to be refused',
      async () => {
        const { replies } = await submitRaw(25, { host, from: 'me@sluice.test', to: ['hidden@far.test'] }).catch(() => ({
          replies: [],
        }))
        return replies.find((reply) => reply.startsWith('550 5.7.1'))
      },
      60_000,
      500,
    )
  } finally {
    await policy('Local')
    await balancerAddress(kube)
  }
}

const strictContexts = async (kube: Kube): Promise<string> => {
  const loose = await looseContexts(kube, SERVICES)
  expect(loose.join('; '), loose.length === 0)
  return 'no capability, no new privileges, seccomp, read-only root, no token'
}

const commandLine = async (kube: Kube): Promise<string> => {
  const output = await kube.exec(`deployment/${kube.release}-spooler`, 'sluice', 'queue', '--json')
  JSON.parse(output)
  return 'kubectl exec … sluice queue'
}

export const install: Theme = async (world) => {
  const { steps } = world
  const kube = world.release('install')
  const far = await startFarEnd({ host: world.host })
  try {
    if (!(await steps.step('install with no values, first mail', () => installAndSend(world, kube)))) return
    await steps.step('the first commands of the notes', () => firstMailByNotes(kube))
    await steps.step('helm test', () => helmTest(kube))
    await steps.step('security contexts on the kubelet', () => strictContexts(kube))
    await steps.step('the command line in a pod', () => commandLine(kube))
    let host = ''
    const upgraded = await steps.step('a gateway behind a load balancer', async () => {
      await kube.upgrade(gatewayValues({ client: world.host, far }, world.images('first')))
      host = await balancerAddress(kube)
      return host
    })
    if (!upgraded) return
    await steps.step('a mail to a local mailbox', async () => {
      const before = (await mailIn(kube)).length
      await submit(25, { host, from: 'you@example.com', to: ['me@sluice.test'], subject: 'a second mail' })
      await untilMail(kube, 'a second mail')
      expect('the first mail is gone', (await mailIn(kube)).length === before + 1)
    })
    await steps.step('a far end refuses: the notice', () => bouncedMail(kube, host))
    await steps.step('the client’s address is kept', () => keptAddress(world, far, host))
    await steps.step('a hidden client is not relayed', () => hiddenClient(kube, host))
  } finally {
    await steps.step('uninstall leaves its volumes only', () => (world.options.keep ? Promise.resolve('kept') : leftovers(kube)))
    await far.stop()
    if (!world.options.keep) await removeRelease(kube)
  }
}
