/**
 * Preloaded by node --import: writes down every module of OpenTelemetry that the process resolves, one a line. Left out is what
 * prom-client asks for: it takes the API, and nothing else, for exemplars of its own, whether anything is traced or not.
 */
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const isTracing = (specifier: string, parent: string): boolean =>
  specifier.startsWith('@opentelemetry/') && !parent.includes('/prom-client/')

registerHooks({
  resolve(specifier, context, next) {
    if (isTracing(specifier, context.parentURL ?? ''))
      appendFileSync(process.env.SLUICE_TEST_IMPORTS ?? '', `${process.argv[1]} ${specifier}\n`)
    return next(specifier, context)
  },
})
