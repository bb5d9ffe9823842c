/** May mail be taken now? Everything but `ok` says why not, in words that stand in replies' logs and on /readyz. */
export type Readiness =
  | { kind: 'ok' }
  /** Before Redis or a disk is full: 452 4.3.1 (R-full). /readyz stays 200, so that clients are told. */
  | { kind: 'full'; reason: string }
  /** Redis could forget what it acknowledged: 421. */
  | { kind: 'unsafe'; reason: string }
  /** Redis does not answer, is loading, or the service starts or stops: 421. */
  | { kind: 'away'; reason: string }
