/** Every step of a message's life, one name each, for logs and for metrics. */
export const EVENTS = [
  'connection',
  'rejection',
  'reception',
  'admission',
  'attempt',
  'delivery',
  'deferral',
  'bounce',
  'expiry',
  'notice',
  'double-bounce',
  'hand-back',
  'parked',
  'backoff',
  'recovery',
  'store-failed',
  'duplicate-suspected',
] as const
export type EventName = (typeof EVENTS)[number]
