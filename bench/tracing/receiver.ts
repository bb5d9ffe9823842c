/** A real OpenTelemetry Collector that takes spans by OTLP and forgets them: whatever stores them would run elsewhere. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, prepareCollector, startProgram, waitForPort } from '@sluice/testkit'
import { processFigures } from '../support/processes.ts'

export type Receiver = { endpoint: string; cpuMs: () => Promise<number>; stop: () => Promise<void> }

const configOf = (port: number): string => `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:${port}" } } } }
exporters: { nop: {} }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { traces: { receivers: [otlp], exporters: [nop] } }
`

/** @param folder where its config may lie */
export const startReceiver = async (folder: string): Promise<Receiver> => {
  const port = await freePort()
  const config = join(folder, 'collector.yaml')
  await writeFile(config, configOf(port))
  const program = await startProgram(await prepareCollector(), ['--config', config])
  await waitForPort(port, program)
  return {
    endpoint: `http://127.0.0.1:${port}`,
    cpuMs: async () => (await processFigures(program.child.pid as number)).cpuMs,
    stop: () => program.stop('SIGTERM'),
  }
}
