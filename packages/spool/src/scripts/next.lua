#!lua flags=allow-oom
--[[
  next: one turn of a session. Settles what the session just did, then hands out the destination's next task, or says when to
  come back, or closes the session. Runs when Redis is out of memory too: outcomes must always be recorded.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 destination  3 session id  4 its lock token and the number of its run: "TOKEN NUMBER"  5 now, ms
           6 mode: start (first turn of a run: takes its permit again if it has none, and finds what a dead run left in hand),
             run, "linger AGENT" (as run; but with nothing to take the session stays for a moment, without its permit),
             "resume AGENT" or "close AGENT" (the turn after that: takes a permit again, or closes),
             expire (hands out only what has outlived its schedule), close (settle, then close; but what is in hand all the same
             comes back first, as at start: of a dead run, or of a reply that was lost);
             errand-start, errand, errand-close: the same for a session that dials nobody, and hands out only what the postmaster
             marked
           7 ms that a session may wait with its connection open
           8 site report: '' ok failed curb   9 its reason; of a curb JSON: rule, reason, and pauseMs, connections, intervalUs,
             forMs, failed where it has them   10 a random number in [0, 1), for jitter
           11 most histories kept  12 ms they are kept
           then per settlement five: kind, task id, a, b, c
             finish   a history entry (JSON, '' for none)
             defer    a data (JSON)  b ms of the next attempt  c transcript ('' for none)
             return   hands the task back, not an attempt
             park     a reason  b data (JSON, '' to leave it)
             hold     a reason  b who holds it and why (JSON): parks it until `release`, not an attempt
             remember a history entry (JSON) of a task that a later settlement of the same call defers or parks
  Returns  {-1}                            the fence: this run is no longer the session's; nothing was settled
           {0, why}                        closed: empty held backoff grant permits rate yield over closed
           {1, id, data, attempts, content or nil, marked, run, verb or nil}   a task, the run that took it, and what the
                                            postmaster wants done with it
           {2, then the same seven per task}  what is in hand of this session: of a run that died, or of this one: marked tasks,
                                            or when the reply that handed it out was lost
           {3, ms}                         not before: wait and call again
           {4, ms}                         not before: the session sleeps until then, its permit is free
           {5, ms}                         nothing to take: come back with `resume` when LANE:nudge:AGENT names the session, or then
           (a run whose session went back to the queue unseen is settled all the same, and then told {-1})
  Guarantees: only tasks that are active under this session are settled, so repeating a call does no harm; a task is settled at
  most once; the attempt is counted before the task is handed out.
]]
local dest, session, now, mode = ARGV[2], ARGV[3], tonumber(ARGV[5]), ARGV[6]
local token, run = string.match(ARGV[4], '^(.*) (%d+)$')
local nearMs = tonumber(ARGV[7])
local how, agent = string.match(mode, '^(%S+) (%S+)$')
if how then mode = how == 'linger' and 'run' or how end
-- A moment that lies further ahead is nobody's yet: rates may change.
local MOST_AHEAD_MS = 60000
-- How long a session stays that has nothing to take.
local LINGER_MS, LINGERING_KEPT_MS = 1000, 5000
-- Of a queue with marked tasks: how many one turn looks at, and takes.
local MOST_LOOKS, MOST_ERRANDS, MOST_ERRAND_BYTES = 200, 20, 1048576
local p = LANE .. ':' .. dest .. ':'
local sessionKey = DELIVERY .. session

-- The fence: the session's lock carries this run's token. A lock that lapsed while Redis was away, with no other run since, is
-- still ours: what was delivered meanwhile must be settled, or it would be delivered twice.
local lock = rcall('GET', sessionKey .. ':lock')
local queuedAgain = false
if lock ~= token then
  if lock or rcall('HGET', sessionKey, 'ats') ~= run then return {-1} end
  queuedAgain = not rcall('LPOS', DELIVERY .. 'active', session)
  if not queuedAgain then rcall('SET', sessionKey .. ':lock', token, 'PX', LOCK_MS) end
end

local grant = readGrant(dest)

local function remember(id, entry)
  local most = tonumber(ARGV[11])
  if entry == '' or most == 0 then return end
  local key = LANE .. ':history:' .. id
  rcall('RPUSH', key, entry)
  rcall('PEXPIRE', key, ARGV[12])
  rcall('ZADD', LANE .. ':histories', now, id)
  if rcall('ZCARD', LANE .. ':histories') > most then
    local oldest = rcall('ZPOPMIN', LANE .. ':histories')[1]
    rcall('UNLINK', LANE .. ':history:' .. oldest)
  end
end

-- Who took a task stands in BullMQ's own field for that: "SESSION RUN".
local function ownerOf(processedBy)
  if not processedBy then return nil end
  return string.match(processedBy, '^(%S+) (%d+)$')
end

local function settle(kind, id, a, b, c)
  local job = p .. id
  local known = rcall('HMGET', job, 'pb', 'verb')
  if ownerOf(known[1]) ~= session then return end
  if kind == 'finish' then
    if finishJob(p, id, ARGV[5], '0', 'completed', 'null') == 0 then
      rcall('UNLINK', job .. ':content', job .. ':mark', job .. ':transcript')
      remember(id, a)
    end
  elseif kind == 'defer' then
    if delayJob(p, id, ARGV[5], '0', tonumber(b) - now, {'data', a}) == 0 then
      rcall('HDEL', job, 'pb')
      rcall('UNLINK', job .. ':mark')
      if c ~= '' then rcall('SET', job .. ':transcript', c) end
      if known[2] then putForErrand(dest, id, now) else dueAt(dest, tonumber(b)) end
    end
  elseif kind == 'return' then
    returnJob(p, id)
    rcall('HDEL', job, 'pb')
    rcall('UNLINK', job .. ':mark')
  elseif kind == 'remember' then
    remember(id, a)
  elseif kind == 'park' then
    if b ~= '' then rcall('HSET', job, 'data', b) end
    if finishJob(p, id, ARGV[5], '0', 'failed', a) == 0 then
      rcall('HDEL', job, 'pb', 'verb')
      rcall('UNLINK', job .. ':mark')
    end
  elseif kind == 'hold' then
    if finishJob(p, id, ARGV[5], '0', 'failed', a) == 0 then
      rcall('HSET', job, 'hold', b)
      rcall('HINCRBY', job, 'ats', -1)
      rcall('HDEL', job, 'pb', 'verb')
    end
  end
end

for i = 13, #ARGV, 5 do settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]) end

local site = grant and readSite(grant, now)
if grant and ARGV[8] ~= '' and reportSite(grant, site, ARGV[8], ARGV[9], tonumber(ARGV[10]), now) then site = readSite(grant, now) end
if queuedAgain then return {-1} end

local function freePermit()
  if grant then rcall('ZREM', LANE .. ':permits:' .. grant.site, session) end
end

local function close(why, successors)
  rcall('SREM', LANE .. ':sessions:' .. dest, session)
  freePermit()
  finishJob(DELIVERY, session, ARGV[5], token, 'completed', 'null')
  local first = firstDelayed(p)
  if first then dueAt(dest, first) end
  if grant then passPermit(grant.site, successors or rcall('ZRANGE', LANE .. ':wants:' .. grant.site, 0, 9), now) end
  if why ~= 'empty' and why ~= 'held' and rcall('LLEN', p .. 'wait') > 0 then openSession(dest, now) end
  return {0, why}
end

-- `fresh`: no run before this one has had it in hand, so none can have marked it.
local function handed(id, data, attempts, takenBy, verb, fresh)
  return id, data, tonumber(attempts or 1), rcall('GET', p .. id .. ':content'), fresh and 0 or rcall('EXISTS', p .. id .. ':mark'),
    tonumber(takenBy), verb or false
end

-- What a run of this session that died had in hand. Nothing of it is left behind by a session that closes.
if mode == 'start' or mode == 'errand-start' or mode == 'close' or mode == 'errand-close' then
  local found = {2}
  for _, id in ipairs(rcall('LRANGE', p .. 'active', 0, -1)) do
    local job = rcall('HMGET', p .. id, 'pb', 'data', 'ats', 'verb')
    local owner, takenBy = ownerOf(job[1])
    if owner == session then
      for _, part in ipairs({handed(id, job[2], job[3], takenBy, job[4])}) do found[#found + 1] = part end
    end
  end
  if #found > 1 then return found end
end

if agent and how ~= 'linger' then rcall('LREM', LANE .. ':lingering:' .. dest, -1, agent .. ' ' .. session) end
if mode == 'close' then return close('closed') end

-- Nothing to take: more may come soon. Nobody waits for its permit meanwhile, nor for its place.
local function rest()
  if how ~= 'linger' or rcall('LLEN', DELIVERY .. 'wait') > 0 or rcall('EXISTS', LANE .. ':wants:' .. grant.site) == 1 then
    return close('empty')
  end
  freePermit()
  local key = LANE .. ':lingering:' .. dest
  rcall('RPUSH', key, agent .. ' ' .. session)
  rcall('PEXPIRE', key, LINGERING_KEPT_MS)
  return {5, LINGER_MS}
end

-- Marked tasks, some at once: nobody is dialled for them. Those that are not marked go to the head.
local function runErrands(left)
  local found, looked, bytes = {2}, 0, 0
  while looked < math.min(left, MOST_LOOKS) and #found < MOST_ERRANDS * 7 and bytes < MOST_ERRAND_BYTES do
    local id = rcall('LINDEX', p .. 'wait', -1)
    if not id then break end
    looked = looked + 1
    local job = rcall('HMGET', p .. id, 'verb', 'data')
    rcall('LMOVE', p .. 'wait', job[1] and p .. 'active' or p .. 'wait', 'RIGHT', 'LEFT')
    if job[1] then
      rcall('HSET', p .. id, 'processedOn', ARGV[5], 'pb', session .. ' ' .. run)
      rcall('XADD', EVENTS, 'MAXLEN', '~', 10000, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
      for _, part in ipairs({handed(id, job[2], rcall('HINCRBY', p .. id, 'ats', 1), run, job[1])}) do found[#found + 1] = part end
      bytes = bytes + #(found[#found - 3] or '')
    end
  end
  if looked == 0 then
    rcall('UNLINK', errandsOf(dest))
    return close('closed')
  end
  rcall('HINCRBY', errandsOf(dest), 'left', -looked)
  rcall('HINCRBY', errandsOf(dest), 'turns', 1)
  return #found > 1 and found or {3, 0}
end

if mode == 'errand-close' then
  local closed = close('closed')
  resumeErrands(dest, now)
  return closed
end
if mode == 'errand' or mode == 'errand-start' then return runErrands(tonumber(rcall('HGET', errandsOf(dest), 'left') or 0)) end
if rcall('HEXISTS', p .. 'meta', 'paused') == 1 then return close('held') end
if not grant or grant.validUntil <= now then return close('grant') end
if grant.validUntil - now < 30000 then dueAt(dest, now) end

local function take()
  local job = takeJob(p, ARGV[5], session .. ' ' .. run)
  if type(job[1]) ~= 'table' then return nil end
  local fields = {}
  for i = 1, #job[1], 2 do fields[job[1][i]] = job[1][i + 1] end
  return {1, handed(job[2], fields['data'], fields['ats'], run, fields['verb'], fields['ats'] == '1')}
end

if mode == 'expire' then
  local oldest = not site.suspended and oldestWaiting(p)
  if not oldest or oldest + grant.maxAgeMs > now then return close('backoff') end
  return take() or close('empty')
end

if site.restUntil then return close('backoff') end
if mode == 'start' or mode == 'resume' then
  local has = rcall('ZSCORE', LANE .. ':permits:' .. grant.site, session)
  if not has and rcall('ZCARD', LANE .. ':permits:' .. grant.site) >= site.limit then return close('permits') end
  rcall('ZADD', LANE .. ':permits:' .. grant.site, now, session)
end

if mode == 'run' and isOver(grant, dest, site) then return close('over') end

-- A destination that waits for a permit, and has fewer sessions by its share, gets this one when its tag comes before the next
-- one of ours; else we go on, and this slice of time counts for our class.
local function successorOf(wanting, now)
  local own, tag, hasFewer = rcall('SCARD', LANE .. ':sessions:' .. dest) / grant.share, nextTag(grant), false
  for i = 1, #wanting, 2 do
    local name = wanting[i]
    if name ~= dest then
      local share = tonumber(rcall('HGET', LANE .. ':grant:' .. name, 'share') or DEFAULT_SHARE)
      if rcall('SCARD', LANE .. ':sessions:' .. name) / share < own then
        if tonumber(wanting[i + 1]) < tag then return name end
        hasFewer = true
      end
    end
  end
  if hasFewer then
    setTag(grant, tag)
    rcall('HSET', sessionKey, 'slice', now)
  end
  return nil
end

-- A session that has run for a while makes room: a site's permit goes to a destination that waits for one, by share; an agent's
-- place to sessions that wait for an agent, behind which this destination queues again. Not while it waits for a moment that is
-- its own already.
local function roomFor()
  local wanting = rcall('ZRANGE', LANE .. ':wants:' .. grant.site, 0, 9, 'WITHSCORES')
  local isCrowded = rcall('LLEN', DELIVERY .. 'wait') > 0
  if #wanting == 0 and not isCrowded then return nil end
  local since = rcall('ZSCORE', LANE .. ':permits:' .. grant.site, session)
  if not since or now - tonumber(since) < SHARE_MS then return nil end
  local own = rcall('HMGET', sessionKey, 'slot', 'slice')
  if own[1] then return nil end
  if #wanting > 0 and now - tonumber(own[2] or 0) >= SHARE_MS then
    local name = successorOf(wanting, now)
    if name then return {name} end
  end
  if not isCrowded or now - tonumber(since) < TURN_MS then return nil end
  local names = {}
  for i = 1, #wanting, 2 do names[#names + 1] = wanting[i] end
  return names
end
local successors = mode == 'run' and roomFor()
if successors then return close('yield', successors) end

-- The rates. A turn that comes early gets the next free moment as its own, so that many waiting sessions do not ask again and
-- again. When its class's moment comes after the site's, it gets only that: the site's clock stays free for other classes.
local clocks = readClocks(grant, site)
if not clocks.isLimited then return take() or rest() end
if rcall('LLEN', p .. 'wait') == 0 then
  local first = firstDelayed(p)
  if not first or first > now then return close('empty') end
end
local own = rcall('HMGET', sessionKey, 'slot', 'slotOf', 'slept')
local slot, hasClass = tonumber(own[1] or 0), own[2] == 'class'
if slot > clocks.now then return {3, math.ceil((slot - clocks.now) / 1000)} end
if slot > 0 then
  rcall('HDEL', sessionKey, 'slot', 'slotOf')
  if not hasClass then return take() or close('empty') end
end
local isShared = site.intervalUs > 0 and not hasClass
local at = math.max(clocks.at, isShared and clocks.classAt or 0)
if at <= clocks.now then
  local task = take()
  if not task then return close('empty') end
  spend(dest, grant, site, clocks, clocks.now)
  if isShared then spendClass(grant, clocks, clocks.now) end
  return task
end
-- At a site with a rate one waiting session of a destination is enough: more only keep other destinations from their moments, and the
-- moment becomes its own also when it sleeps until then. Elsewhere one that has slept waits longer for its moment. Else those that
-- never sleep would take every one before it.
local waitMs = math.ceil((at - clocks.now) / 1000)
local hasSiteRate = site.intervalUs > 0
if hasSiteRate and waitMs > nearMs / 4 and rcall('SCARD', LANE .. ':sessions:' .. dest) > 1 then return close('rate') end
local aheadMs = hasSiteRate and MOST_AHEAD_MS or own[3] and nearMs * 1.5 or nearMs
local isOwn = waitMs <= aheadMs
if isOwn then
  local isClassOnly = isShared and clocks.classAt > clocks.at
  if isShared then spendClass(grant, clocks, at) end
  if not isClassOnly then spend(dest, grant, site, clocks, at) end
  rcall('HSET', sessionKey, 'slot', string.format('%.0f', at), 'slotOf', isClassOnly and 'class' or 'all')
  if own[3] then rcall('HDEL', sessionKey, 'slept') end
end
if waitMs <= nearMs or isOwn and not hasSiteRate then return {3, waitMs} end
if not isOwn then rcall('HSET', sessionKey, 'slept', '1') end
freePermit()
passPermit(grant.site, rcall('ZRANGE', LANE .. ':wants:' .. grant.site, 0, 9), now)
-- BullMQ's Workers look at the time of day, whatever clock the schedules run on.
delayJob(DELIVERY, session, string.format('%d', clocks.now / 1000), token, waitMs, nil)
return {4, waitMs}
