--[[
  Shared by the scripts of the spool. Put before each of them, after BullMQ's own commands, which stand here as Lua functions
  of (KEYS, ARGV): addStandardJob, moveToActive, moveToDelayed, moveToFinished, moveJobFromActiveToWait, promote.

  Every key of a lane begins with the lane's prefix, `sluice{NN}`, so a script sees one lane and may name its keys itself.

    LANE:DEST:...            BullMQ's keys of a destination's queue; a task is the job LANE:DEST:ID
    LANE:DEST:ID:content   content of a small message with one destination
    LANE:DEST:ID:mark      "content is about to end": after a crash the outcome is unknown
    LANE:DEST:ID:transcript  the last conversation about a task that waits for its next attempt
    LANE:delivery:...        BullMQ's keys of the lane's queue of sessions
    LANE:grant:DEST        what the spooler permits: site, limit, siteLimit, intervalUs, maxAgeMs, perSession, until; and tat
                           (GCRA); more in limits.lua
    LANE:sessions:DEST     open sessions of a destination (set of session ids)
    LANE:permits:SITE      permits of a site (sorted set: session id, ms of opening or of the last run's start)
    LANE:lingering:DEST    sessions without a task that wait a moment for more (list of "AGENT SESSION"); the agent hears of it on
                           the channel LANE:nudge:AGENT. They hold no permit meanwhile
    LANE:wants:SITE        destinations that wait for a permit of a site (sorted set: tag, which orders them by share)
    LANE:site:SITE         a site's failures, pauses and curbs (limits.lua)
    LANE:clock:SITE        a site's rate and its classes' parts of it, and the order of who waits for permits (limits.lua)
    LANE:due               destination -> the earliest ms when anything may happen
    LANE:destinations      every destination that may hold a task (set)
    LANE:gateway           intervalUs and tat of the cap on the whole gateway
    LANE:owner             the gateway's ID, in the first lane: whose the contents in a folder or a bucket are
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
local LOCK_MS = 15000
-- A session keeps its permit at least this long while others of its site wait for one.
local SHARE_MS = 1000
-- ... and its agent at least this long while sessions wait for one.
local TURN_MS = 2000
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

-- ms when the oldest waiting task was admitted, or nil when nothing waits.
local function oldestWaiting(p)
  local id = rcall('LINDEX', p .. 'wait', -1)
  return id and tonumber(rcall('HGET', p .. id, 'timestamp') or 0)
end
