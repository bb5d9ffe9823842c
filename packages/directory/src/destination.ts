/** A next hop's name, as the spool keeps it: a route's name (without dots), or the recipient domain of an MX route. */
export type Destination = string
