/** The config of `npm start`: a gateway on loopback high ports for sluice.test, with one mailbox. It relays for nobody. */
export const DEFAULT_CONFIG = `
hostname: mx.sluice.test
listeners:
  - { name: smtp, listen: 127.0.0.1:2525 }
domains:
  - { name: sluice.test, route: local, postmaster: me@sluice.test }
accounts:
  - { address: me@sluice.test }
routes:
  - { name: local, type: local }
`
