"""Redis' protocol, as much of it as an agent needs. Any client library does the same; this one needs nothing but Python."""
import socket
import urllib.parse


class Redis:
    """A lost connection raises ConnectionError: the agent ends, and whoever starts it again recovers what it had in hand."""

    def __init__(self, url):
        where = urllib.parse.urlparse(url)
        self.file = socket.create_connection((where.hostname, where.port or 6379)).makefile('rwb')
        if where.password:
            self.call('AUTH', where.password)

    def call(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.file.write(b'*%d\r\n' % len(parts) + b''.join(b'$%d\r\n%s\r\n' % (len(part), part) for part in parts))
        self.file.flush()
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b'-':
            raise RuntimeError(rest.decode())
        if kind == b'+':
            return rest
        if kind == b':':
            return int(rest)
        if kind == b'$':
            return None if rest == b'-1' else self.file.read(int(rest) + 2)[:-2]
        if kind == b'*':
            return None if rest == b'-1' else [self.reply() for _ in range(int(rest))]
        raise ConnectionError('Redis has gone')
