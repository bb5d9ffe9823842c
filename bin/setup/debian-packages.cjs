/**
 * Every Debian package that Sluice or its tests use, and why. A package counts as there when its file is: under one of
 * the folders of PATH or the system folders when `file` is a bare name, else at that path.
 */
const DEBIAN_PACKAGES = [
  { name: 'redis-server', file: 'redis-server', for: ['start', 'test', 'bench'], why: 'the spool lives in it' },
  { name: 'swaks', file: 'swaks', for: ['test'], why: 'a mail client that nobody here wrote' },
  { name: 'libnet-ssleay-perl', file: '/usr/share/doc/libnet-ssleay-perl', for: ['test'], why: 'lets swaks speak TLS' },
  {
    name: 'postfix',
    file: 'smtp-source',
    for: ['test', 'bench'],
    why: 'far end, load source and sink, and the one to compare with',
  },
  { name: 'dovecot-core', file: 'dovecot', for: ['test'], why: 'reads our Maildir, and knows the accounts of Postfix' },
  { name: 'dovecot-lmtpd', file: '/usr/lib/dovecot/lmtp', for: ['test'], why: 'a far end that speaks LMTP' },
  { name: 'msmtp', file: 'msmtp', for: ['test'], why: 'a mail client that nobody here wrote' },
  { name: 'curl', file: 'curl', for: ['test'], why: 'a mail client that nobody here wrote' },
  { name: 'knot', file: '/usr/sbin/knotd', for: ['test'], why: 'a DNS server with zones of our own' },
  { name: 'haproxy', file: '/usr/sbin/haproxy', for: ['test'], why: 'a load balancer that speaks the PROXY protocol' },
  { name: 'prometheus', file: 'prometheus', for: ['test'], why: 'reads our figures, and tries alerts and dashboards' },
  { name: 'openssl', file: 'openssl', for: ['test'], why: 'makes certificates, and is a TLS client' },
  { name: 'python3', file: 'python3', for: ['test'], why: 'its mail and Maildir readers judge ours' },
  { name: 'python3-pip', file: 'pip3', for: ['test'], why: 'brings moto, an S3 server in Python' },
  {
    name: 'python3-flufl.bounce',
    file: '/usr/lib/python3/dist-packages/flufl/bounce/__init__.py',
    for: ['test'],
    why: 'a bounce parser that nobody here wrote',
  },
  { name: 'procps', file: 'ps', for: ['test', 'bench'], why: 'shows the memory that processes use' },
]

module.exports = { DEBIAN_PACKAGES }
