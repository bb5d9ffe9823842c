#!/usr/bin/env python3
"""
A delivery-agent that nobody of Sluice wrote: Python's standard library, the scripts of `sluice spool script`, and two plain sockets,
one to Redis and one to the far end. docs/delivery-agent-contract.md says why it does what it does; each part names its section there.

    agent.py --redis redis://127.0.0.1:6379 --far 127.0.0.1:25 [--lanes 1] [--notices DESTINATION] [--delays 7200,7200]

Everything goes to one far end, one session at a time, without TLS. Any number of these may run, and any may be killed at any moment.
"""
import argparse, hashlib, json, os, random, re, signal, socket, subprocess, threading, time, uuid, zlib
from resp import Redis

parser = argparse.ArgumentParser()
parser.add_argument('--redis', required=True)
parser.add_argument('--far', required=True, help='HOST:PORT of the far end')
parser.add_argument('--lanes', type=int, default=1, help='redis.lanes of the config')
parser.add_argument('--notices', help='destination of failure notices')
parser.add_argument('--delays', default='7200,7200,7200,7200,7200', help='seconds before each further attempt')
parser.add_argument('--sluice', default=os.path.join(os.path.dirname(__file__), '..', '..', 'bin', 'sluice'))
given = parser.parse_args()
DELAYS = [float(each) for each in given.delays.split(',')]
LOCK_MS, NEAR_MS, DAY_MS = 15_000, 2_000, 86_400_000
NO_REPORT = ('', '')

def now(): return int(time.time() * 1000)
def log(event, **fields): print(json.dumps({'event': event, **fields}), flush=True)
def lane_of(destination): return 'sluice{%02d}' % (zlib.crc32((destination.rpartition('/')[0] or destination).encode()) % given.lanes)

# ---- The scripts
redis = Redis(given.redis)
SHA1 = {}
for each in json.loads(subprocess.check_output([given.sluice, 'spool', 'script', '--json'])):
    SHA1[each['name']] = redis.call('SCRIPT', 'LOAD', each['text'])
def run_script(name, keys, *args, on=redis): return on.call('EVALSHA', SHA1[name], len(keys), *keys, *args)

# ---- Taking a session: BullMQ's commands, as any BullMQ Worker does
def queue_keys(lane, names): return [f'{lane}:{name}' if name == 'events' else f'{lane}:delivery:{name}' for name in names.split()]

class Session:
    def __init__(self, lane, id, job, token):
        data = json.loads(job[b'data'])
        self.lane, self.id, self.token, self.run = lane, id, token, int(job[b'ats'])
        self.destination, self.is_errand = data['destination'], bool(data.get('errand'))
        self.expires = bool(data.get('expire')) and self.run == 1 and not self.is_errand
        self.is_over = threading.Event()
        threading.Thread(target=self.renew, daemon=True).start()

    def renew(self):
        own = Redis(given.redis)
        keys = queue_keys(self.lane, f'{self.id}:lock stalled')
        while not self.is_over.wait(LOCK_MS / 3000): run_script('extendLock', keys, self.token, LOCK_MS, self.id, on=own)

    def turn(self, mode, settlements, site):
        head = [self.lane, self.destination, self.id, f'{self.token} {self.run}', now(), mode, NEAR_MS, *site, random.random()]
        return run_script('next', [self.lane + ':due'], *head, 50_000, DAY_MS, *[part for each in settlements for part in each])

def take(lane):
    token = uuid.uuid4().hex[:16]
    options = b'\x82\xa5token\xb0' + token.encode() + b'\xaclockDuration\xcd' + LOCK_MS.to_bytes(2, 'big')  # MessagePack
    keys = queue_keys(lane, 'wait active prioritized events stalled limiter delayed paused meta pc marker')
    job, id, *_ = run_script('moveToActive', keys, lane + ':delivery:', now(), options)
    return Session(lane, id.decode(), dict(zip(job[::2], job[1::2])), token) if job else None

def find_stalled(lane):
    keys = queue_keys(lane, 'stalled wait active stalled-check meta paused marker events repeat')
    run_script('moveStalledJobsToWait', keys, 2 ** 53 - 1, lane + ':delivery:', now(), 5000)

# ---- The conversation; a reply is (code, text)
class Lost(Exception): pass

class Smtp:
    def __init__(self):
        try: self.file = socket.create_connection(given.far.rsplit(':', 1), timeout=300).makefile('rwb')
        except OSError as fault: raise Lost(str(fault))
        for code, text in (self.reply(), self.ask('EHLO foreign.test')):
            if code // 100 != 2: raise Lost(text)

    def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == b'-':
            try: lines.append(self.file.readline())
            except OSError as fault: raise Lost(str(fault))
            if not re.match(rb'\d{3}[ -]', lines[-1]): raise Lost('the connection was lost')
        return int(lines[-1][:3]), b' '.join(lines).decode(errors='replace').strip()

    def ask(self, line):
        try:
            self.file.write(line if isinstance(line, bytes) else line.encode() + b'\r\n')
            self.file.flush()
        except OSError as fault: raise Lost(str(fault))
        return self.reply()

def transact(smtp, session, task, content):
    """One (kind, text) for each recipient. What is not understood is temporary."""
    def outcome(code, text): return {2: 'delivered', 5: 'bounced'}.get(code // 100, 'deferred'), text
    mail = smtp.ask(f"MAIL FROM:<{task['from']}>")
    if mail[0] // 100 != 2: return [outcome(*mail)] * len(task['to'])
    rcpt = [smtp.ask(f"RCPT TO:<{to['address']}>") for to in task['to']]
    if all(code // 100 != 2 for code, _ in rcpt): return [outcome(*answer) for answer in rcpt]
    end = smtp.ask('DATA')
    if end[0] == 354:  # Marks: before the far end can have it all
        redis.call('SET', f"{session.lane}:{session.destination}:{task['id']}:mark", 1, 'PX', 7 * DAY_MS)
        smtp.stage = 'dot'
        end = smtp.ask(re.sub(rb'(?m)^\.', b'..', content) + b'.\r\n')
    elif end[0] // 100 == 2: raise Lost('DATA was answered like any other command')
    return [outcome(*(end if answer[0] // 100 == 2 else answer)) for answer in rcpt]

# ---- Outcomes and settlements
def admit_notice(task, failed):
    """Before the settlement, under an ID that follows from what it tells, and once: a crash between them makes no second one."""
    if not task['from'] or not given.notices: return log('double-bounce', id=task['id'])
    told = json.dumps([task['id'], 'failed', sorted(to['address'] for to, _ in failed)])
    id = task['id'][:10] + ''.join('0123456789ABCDEFGHJKMNPQRSTVWXYZ'[byte & 31] for byte in hashlib.sha256(told.encode()).digest()[:8])
    words = ''.join(f"<{to['address']}>: {text}\r\n" for to, text in failed)
    content = (f"From: Mail Delivery System <postmaster@foreign.test>\r\nTo: <{task['from']}>\r\nSubject: Not delivered\r\nMessage-ID: "
               f"<{id}@foreign.test>\r\nAuto-Submitted: auto-replied\r\n\r\nYour message could not be delivered.\r\n{words}").encode()
    data = {'v': 1, 'id': id, 'from': '', 'to': [{'address': task['from']}], 'sizeBytes': len(content), 'body': '7bit', 'utf8': False,
            'receivedAt': now(), 'notice': True, 'content': {'store': 'inline'}, 'attempts': []}
    lane = lane_of(given.notices)
    run_script('admit', [lane + ':due'], lane, given.notices, now(), id, json.dumps(data), content, '1', '')
    log('notice', id=task['id'], notice=id)

def settle(session, task, attempt, stage, outcomes, is_last=False):
    line = {'n': attempt, 'at': now(), 'host': given.far, 'stage': stage, 'reply': outcomes[0][1][:1000]}
    lines = [*task['attempts'], line][-100:]
    is_last = is_last or attempt > len(DELAYS)
    results = [(to, 'bounced' if kind == 'deferred' and is_last else kind, text) for to, (kind, text) in zip(task['to'], outcomes)]
    failed = [(to, text) for to, kind, text in results if kind == 'bounced']
    if failed: admit_notice(task, failed)
    for to, kind, text in results: log(kind, id=task['id'], to=to['address'], attempt=attempt, reply=text)
    done = [{'address': to['address'], 'kind': kind, 'status': '', 'reason': text} for to, kind, text in results if kind != 'deferred']
    history = json.dumps({'at': now(), 'destination': session.destination, 'from': task['from'], 'receivedAt': task['receivedAt'],
                          'sizeBytes': task['sizeBytes'], 'attempts': lines, 'recipients': done})
    rest = [to for to, kind, _ in results if kind == 'deferred']
    if not rest: return [('finish', task['id'], history, '', '')]
    later = ('defer', task['id'], json.dumps({**task, 'to': rest, 'attempts': lines}), now() + int(DELAYS[attempt - 1] * 1000), '')
    return [('remember', task['id'], history, '', ''), later] if done else [later]

def content_of(task, inline):
    where = task['content']
    if where['store'] == 'redis':
        pieces = [redis.call('GET', 'sluice{%02d}:content:%s:%d' % (where['lane'], task['id'], n)) for n in range(where['chunks'])]
        inline = None if None in pieces else b''.join(pieces)
    return inline if inline is not None and len(inline) == task['sizeBytes'] else None

def release_content(session, task):
    lane, pieces = 'sluice{%02d}' % task['content']['lane'], range(task['content']['chunks'])
    if run_script('release-content', [f"{lane}:needs:{task['id']}"], lane, session.destination) == 1:
        redis.call('UNLINK', *[f"{lane}:content:{task['id']}:{n}" for n in pieces])
        redis.call('ZREM', lane + ':contents', task['id'])

# ---- Turns
class Conversation:
    """A session, drained turn by turn, until `next` closes it, puts it to sleep, or says that it is another's."""
    def __init__(self, session): self.session, self.smtp, self.site, self.tasks = session, None, NO_REPORT, []

    def handle(self, id, data, attempt, inline, marked, taken_by, verb):
        """→ settlements. A task is parked rather than dropped, whatever is wrong with it."""
        def park(reason): return [('park', id.decode(), reason, '', '')]
        try: task = json.loads(data)
        except ValueError: return park('the payload is no JSON')
        if not isinstance(task, dict) or task.get('v') != 1: return park("the payload's version is not understood")
        self.tasks.append(task)
        if verb and not marked: return self.errand(task, attempt, json.loads(verb), park)
        if self.session.is_errand and not verb: return [('return', task['id'], '', '', '')]  # a mark that was taken back
        def interrupted(stage, text, is_last): return settle(self.session, task, attempt, stage, [('deferred', text)] * len(task['to']), is_last)
        if taken_by != self.session.run or marked:  # Crashes
            stages = ''.join('x' if line['stage'] == 'crash' else '.' for line in task['attempts'])
            crashes = max(1, self.session.run - taken_by) + len(stages) - len(stages.rstrip('x'))
            if crashes >= 3: return park(f'the delivery-agent died {crashes} times in a row with it in hand')
            log('recovery', id=task['id'], outcomeUnknown=bool(marked))
            return interrupted('crash', 'interrupted' + (' after the content may have ended' if marked else ''), False)
        if self.session.expires: return interrupted('connect', 'not tried: its site was left alone', True)
        content = content_of(task, inline)
        if content is None: return park('the content is missing')
        log('attempt', id=task['id'], attempt=attempt)
        try:
            self.smtp = self.smtp or Smtp()
            self.smtp.stage = 'mail'
            outcomes = transact(self.smtp, self.session, task, content)
            if any(kind != 'delivered' for kind, _ in outcomes) and self.smtp.ask('RSET')[0] != 250: self.smtp = None
            self.site = ('ok', '')
            return settle(self.session, task, attempt, 'dot', outcomes)
        except Lost as lost:  # concerns the host, not the message; behind the dot the outcome is unknown
            stage = self.smtp.stage if self.smtp else 'connect'
            self.smtp, self.site = None, NO_REPORT if stage == 'dot' else ('failed', str(lost))
            return interrupted(stage, str(lost), False)

    def errand(self, task, attempt, mark, park):
        """What the postmaster wants done with it; nobody is dialled."""
        words = f"{mark['verb']} by {mark['who']}: {mark['why']}"
        log(mark['verb'], id=task['id'], who=mark['who'])
        if mark['verb'] == 'hold': return [('hold', task['id'], words, json.dumps(mark), '')]
        if mark['verb'] == 'bounce': return settle(self.session, task, attempt, 'route', [('bounced', words)] * len(task['to']))
        if mark['verb'] == 'delete': return [('finish', task['id'], '', '', '')]
        return park(f'this agent does not know how to {words}')

    def drain(self):
        prefix = 'errand-' if self.session.is_errand else ''
        mode, settlements = 'expire' if self.session.expires else prefix + 'start', []
        while True:
            state, *rest = self.session.turn(mode, settlements, self.site)
            finished = {each[1] for each in settlements if each[0] == 'finish' and state != -1}
            for task in self.tasks:
                if task['id'] in finished and task['content']['store'] == 'redis': release_content(self.session, task)
            settlements, self.site, self.tasks = [], NO_REPORT, []
            if state == 1: settlements = self.handle(*rest[:7])
            elif state == 2:
                for at in range(0, len(rest), 7): settlements += self.handle(*rest[at:at + 7])
            elif state == 3: time.sleep(rest[0] / 1000)
            else: break  # -1 another's, 0 closed, 4 sleeps in the queue
            mode = prefix + 'close' if stopping.is_set() else 'expire' if self.session.expires else 'errand' if prefix else 'run'
        self.session.is_over.set()

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
lanes = ['sluice{%02d}' % lane for lane in range(given.lanes)]
log('ready')
looked_at = 0
while not stopping.is_set():
    if time.monotonic() - looked_at > 5:
        for lane in lanes: find_stalled(lane)
        looked_at = time.monotonic()
    for session in [taken for taken in map(take, lanes) if taken]: Conversation(session).drain()
    if not any(int(redis.call('LLEN', lane + ':delivery:wait')) for lane in lanes): time.sleep(0.1)
