--[[
  Shared by the scripts of the spool. Put before each of them, after BullMQ's own commands, which stand here as Lua functions
  of (KEYS, ARGV): addStandardJob, moveToActive, moveToDelayed, moveToFinished, moveJobFromActiveToWait, promote.

  Every key of a lane begins with the lane's prefix, `sluice{NN}`, so a script sees one lane and may name its keys itself.

    LANE:DEST:…            BullMQ's keys of a destination's queue; a task is the job LANE:DEST:ID
    LANE:DEST:ID:content   content of a small message with one destination
    LANE:DEST:ID:mark      "content is about to end": after a crash the outcome is unknown
    LANE:DEST:ID:transcript  the last conversation about a task that waits for its next attempt
    LANE:delivery:…        BullMQ's keys of the lane's queue of sessions
    LANE:grant:DEST        what the spooler permits: site, limit, siteLimit, intervalUs, maxAgeMs, perSession, until; and tat (GCRA)
    LANE:sessions:DEST     open sessions of a destination (set of session ids)
    LANE:permits:SITE      permits of a site (sorted set: session id, ms of opening or of the last run's start)
    LANE:wants:SITE        destinations that wait for a permit of a site (sorted set: since when, ms)
    LANE:site:SITE         a site's failures in a row, `until` when it is left alone, and the last reason
    LANE:due               destination -> the earliest ms when anything may happen
    LANE:destinations      every destination that may hold a task (set)
    LANE:gateway           intervalUs and tat of the cap on the whole gateway
    LANE:parked            tasks set aside (sorted set: "DEST ID", ms)
    LANE:once:DEST:ID      admitted already, for writers that may run again; DEST is `intake` for several destinations
    LANE:needs:ID          destinations that still need a content that lies in a store
    LANE:history:ID        what became of a message (list of JSON), LANE:histories bounds them (sorted set: ID, ms)
    LANE:events            one event stream for all queues of the lane
]]
local rcall = redis.call
local LANE = ARGV[1]
local DUE = LANE .. ':due'
local EVENTS = LANE .. ':events'
local DELIVERY = LANE .. ':delivery:'
local FAILURES_BEFORE_BACKOFF = 3
local LOCK_MS = 15000
-- A session keeps its permit at least this long while others of its site wait for one.
local SHARE_MS = 1000
-- ... and its agent at least this long while sessions wait for one.
local TURN_MS = 2000
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30000, 1800000
-- More sessions than this that wait for an agent: all agents are busy.
local CROWD = 100
local LOOKS_PER_SECOND = 2000

local function addJob(p, id, name, data, now)
  return addStandardJob(
    {p .. 'wait', p .. 'paused', p .. 'meta', p .. 'id', p .. 'completed', p .. 'delayed', p .. 'active', EVENTS, p .. 'marker'},
    {cmsgpack.pack({p, id, name, now}), data, cmsgpack.pack({})})
end

local function takeJob(p, now, session)
  return moveToActive(
    {p .. 'wait', p .. 'active', p .. 'prioritized', EVENTS, p .. 'stalled', p .. 'limiter', p .. 'delayed', p .. 'paused', p .. 'meta', p .. 'pc', p .. 'marker'},
    {p, now, cmsgpack.pack({token = '0', lockDuration = 0, name = session})})
end

-- target: 'completed' removes the job; 'failed' keeps it, which is what parking is
local function finishJob(p, id, now, token, target, value)
  local keep = target == 'completed' and {count = 0} or {count = -1}
  local property = target == 'completed' and 'returnvalue' or 'failedReason'
  return moveToFinished(
    {p .. 'wait', p .. 'active', p .. 'prioritized', EVENTS, p .. 'stalled', p .. 'limiter', p .. 'delayed', p .. 'paused', p .. 'meta', p .. 'pc', p .. target, p .. id, p .. 'metrics:' .. target, p .. 'marker'},
    {id, now, property, value, target, '0', p, cmsgpack.pack({token = token, keepJobs = keep, lockDuration = 0, attempts = 0, maxMetricsSize = ''}), ''})
end

local function delayJob(p, id, now, token, delayMs, fields)
  return moveToDelayed(
    {p .. 'marker', p .. 'active', p .. 'prioritized', p .. 'delayed', p .. id, EVENTS, p .. 'meta', p .. 'stalled', p .. 'wait', p .. 'limiter', p .. 'pc'},
    {p, now, id, token, string.format('%d', math.max(0, delayMs)), '0', fields and cmsgpack.pack(fields) or '', '0', ''})
end

local function returnJob(p, id)
  rcall('HINCRBY', p .. id, 'ats', -1)
  return moveJobFromActiveToWait(
    {p .. 'active', p .. 'wait', p .. 'stalled', p .. 'paused', p .. 'meta', p .. 'limiter', p .. 'prioritized', p .. 'marker', EVENTS},
    {id, '0', p .. id})
end

local function promoteDue(p, now, most)
  local ids = rcall('ZRANGEBYSCORE', p .. 'delayed', 0, (now + 1) * 0x1000 - 1, 'LIMIT', 0, most)
  for _, id in ipairs(ids) do
    promote({p .. 'delayed', p .. 'wait', p .. 'paused', p .. 'meta', p .. 'prioritized', p .. 'active', p .. 'pc', EVENTS, p .. 'marker'}, {p, id})
  end
  return #ids
end

-- The moment of the first delayed task, or nil.
local function firstDelayed(p)
  local first = rcall('ZRANGE', p .. 'delayed', 0, 0, 'WITHSCORES')[2]
  return first and math.floor(tonumber(first) / 0x1000)
end

local function dueAt(dest, at)
  rcall('ZADD', DUE, 'LT', string.format('%d', at), dest)
end

local function microseconds()
  local t = rcall('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

local function readGrant(dest)
  local g = rcall('HMGET', LANE .. ':grant:' .. dest, 'site', 'limit', 'siteLimit', 'intervalUs', 'maxAgeMs', 'perSession', 'until', 'tat')
  if not g[1] then return nil end
  return {site = g[1], limit = tonumber(g[2]), siteLimit = tonumber(g[3]), intervalUs = tonumber(g[4]), maxAgeMs = tonumber(g[5]),
    perSession = tonumber(g[6]), validUntil = tonumber(g[7]), tat = tonumber(g[8] or 0)}
end

-- Whether the site is left alone now, and whether it is on probation (one probing session at a time).
local function readSite(site, now)
  local s = rcall('HMGET', LANE .. ':site:' .. site, 'failures', 'until')
  local failures, pausedUntil = tonumber(s[1] or 0), tonumber(s[2] or 0)
  return pausedUntil > now and pausedUntil or nil, failures >= FAILURES_BEFORE_BACKOFF
end

-- ms when the oldest waiting task was admitted, or nil when nothing waits.
local function oldestWaiting(p)
  local id = rcall('LINDEX', p .. 'wait', -1)
  return id and tonumber(rcall('HGET', p .. id, 'timestamp') or 0)
end

-- When a task may leave next, by the rate of its destination and the cap on the gateway: us, 0 without either.
local function notBefore(grant)
  local gateway = rcall('HMGET', LANE .. ':gateway', 'intervalUs', 'tat')
  local gatewayUs, gatewayTat = tonumber(gateway[1] or 0), tonumber(gateway[2] or 0)
  local at = math.max(grant.intervalUs > 0 and grant.tat or 0, gatewayUs > 0 and gatewayTat or 0)
  return at, gatewayUs, gatewayTat
end

local function startSession(dest, site, now, expire)
  local id = addJob(DELIVERY, '', 'session', cjson.encode({destination = dest, expire = expire or nil}), now)
  rcall('SADD', LANE .. ':sessions:' .. dest, id)
  if expire then return end
  rcall('ZADD', LANE .. ':permits:' .. site, now, id)
  rcall('ZREM', LANE .. ':wants:' .. site, dest)
end

-- Looks again when one more session might be of use. The more destinations do so, the rarer: all of them together cost Redis
-- no more than LOOKS_PER_SECOND. Nothing waits for it: an open session, or the next permit that comes free, sees to the mail.
local function lookAgain(dest, now, soonestMs, others)
  dueAt(dest, now + math.max(soonestMs, others * 1000 / LOOKS_PER_SECOND))
end

-- Opens one more session for a destination unless something forbids it; then `due` says when to look again, unless an open
-- session will see to it. Held destinations are not in `due`. An open session justifies another once more wait than it is
-- expected to take soon, or one has waited for half a second: it may be busy with a slow far end. Not while sessions wait for
-- an agent and enough to take them all are still to start, nor while the agents are all busy.
local function openSession(dest, now)
  local p = LANE .. ':' .. dest .. ':'
  local waiting = rcall('LLEN', p .. 'wait')
  if waiting == 0 then return 'empty' end
  if rcall('HEXISTS', p .. 'meta', 'paused') == 1 then return 'held' end
  local grant = readGrant(dest)
  if not grant or grant.validUntil <= now then dueAt(dest, now) return 'grant' end
  local sessions = rcall('SCARD', LANE .. ':sessions:' .. dest)
  local restUntil, probing = readSite(grant.site, now)
  if restUntil then
    if sessions > 0 then return 'backoff' end
    local expires = oldestWaiting(p) + grant.maxAgeMs
    if expires <= now then startSession(dest, grant.site, now, true) return 'expire' end
    dueAt(dest, math.min(restUntil, expires))
    return 'backoff'
  end
  if sessions >= grant.limit then return 'limit' end
  local queued = rcall('LLEN', DELIVERY .. 'wait')
  local unstarted = sessions - rcall('LLEN', p .. 'active')
  local isServed = waiting <= sessions * grant.perSession and (queued > CROWD or oldestWaiting(p) > now - 500)
  if sessions > 0 and (isServed or (queued > 0 and waiting <= unstarted)) then
    lookAgain(dest, now, 500, queued + rcall('ZCARD', DELIVERY .. 'delayed'))
    return 'enough'
  end
  if sessions > 0 and notBefore(grant) > microseconds() then
    lookAgain(dest, now, 500, queued + rcall('ZCARD', DELIVERY .. 'delayed'))
    return 'rate'
  end
  local permits = rcall('ZCARD', LANE .. ':permits:' .. grant.site)
  if permits >= grant.siteLimit or (probing and permits > 0) then
    rcall('ZADD', LANE .. ':wants:' .. grant.site, 'NX', now, dest)
    rcall('PEXPIRE', LANE .. ':wants:' .. grant.site, 60000)
    lookAgain(dest, now, 1000, rcall('ZCARD', LANE .. ':wants:' .. grant.site))
    return 'permits'
  end
  startSession(dest, grant.site, now, false)
  return 'opened'
end

-- A permit of the site came free: it goes to the destination that has waited longest and can use it.
local function passPermit(site, names, now)
  for _, name in ipairs(names) do
    local result = openSession(name, now)
    if result == 'opened' or result == 'permits' then return end
    rcall('ZREM', LANE .. ':wants:' .. site, name)
  end
end
