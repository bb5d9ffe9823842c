export type { IngressConfig, IngressDependencies, IngressDirectory, Readiness } from './dependencies.ts'
export { createIngress, type Ingress, type Listening } from './ingress.ts'
