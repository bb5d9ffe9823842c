/** Preloaded by node --import: writes down every module that the process resolves, one a line of JSON (`Import` in imports.ts). */
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    const noted = { main: process.argv[1], parent: context.parentURL ?? '', specifier, url: found.url }
    appendFileSync(process.env.SLUICE_TEST_IMPORTS ?? '', `${JSON.stringify(noted)}\n`)
    return found
  },
})
