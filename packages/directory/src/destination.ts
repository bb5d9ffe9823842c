/**
 * A destination's name, as the spool keeps it: a next hop, and behind a slash its class if that is not the default one. The hop is a
 * route's name (without dots), or the recipient domain of an MX route; contracts/destination.ts says how it is written.
 */
export type Destination = string
