#!lua flags=no-writes
--[[
  why: what a destination's mail waits for at this moment, told by the functions that decide it.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 destination  3 now, ms  4 the ID of a task, or ''
  Returns  JSON. Moments are ms since the epoch; absent fields mean: nothing of the kind. `place` is the task's place in line, from
           1; absent beyond the first 20,000
]]
local dest, now, id = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local p = LANE .. ':' .. dest .. ':'
local MOST_PLACES = 20000

local function present(value)
  return value and value ~= '' and value or nil
end

local facts = {waiting = rcall('LLEN', p .. 'wait'), active = rcall('LLEN', p .. 'active'), delayed = rcall('ZCARD', p .. 'delayed'),
  parked = rcall('ZCARD', p .. 'failed'), sessions = rcall('SCARD', LANE .. ':sessions:' .. dest),
  held = rcall('HEXISTS', p .. 'meta', 'paused') == 1, hold = present(rcall('HGET', LANE .. ':holds', dest)),
  queued = rcall('LLEN', DELIVERY .. 'wait'), next = firstDelayed(p)}
local oldest = rcall('LINDEX', DELIVERY .. 'wait', -1)
if oldest then facts.queuedSince = tonumber(rcall('HGET', DELIVERY .. oldest, 'timestamp') or now) end

local grant = readGrant(dest)
if grant then
  local site = readSite(grant, now)
  local told = rcall('HMGET', LANE .. ':site:' .. grant.site, 'until', 'reason', 'pauseReason', 'curbReason', 'curbUntil')
  local clocks = readClocks(grant, site)
  local wants = LANE .. ':wants:' .. grant.site
  local rank = rcall('ZRANK', wants, dest)
  facts.grant = {site = grant.site, limit = grant.limit, siteLimit = grant.siteLimit, validUntil = grant.validUntil, class = grant.class}
  facts.site = {limit = site.limit, permits = rcall('ZCARD', LANE .. ':permits:' .. grant.site), probing = site.probing,
    failures = site.failures, place = rank and rank + 1 or nil, wanting = rcall('ZCARD', wants)}
  if site.backsOff then facts.backoff = {till = tonumber(told[1]), reason = told[2] or ''} end
  if site.pausedUntil > now then facts.paused = {till = site.pausedUntil, reason = told[3] or '', suspended = site.suspended} end
  if site.curbedTo or site.intervalUs > grant.siteIntervalUs then
    facts.curb = {till = tonumber(told[5]), reason = told[4] or '', connections = site.curbedTo and site.limit or nil,
      intervalMs = site.intervalUs > grant.siteIntervalUs and site.intervalUs / 1000 or nil}
  end
  if clocks.isLimited then
    local ownAt = math.max(clocks.classAt, clocks.siteTat, grant.intervalUs > 0 and grant.tat or 0)
    if ownAt > clocks.now then facts.rateAt = math.floor(ownAt / 1000) end
    if clocks.gatewayUs > 0 and clocks.gatewayTat > clocks.now then facts.gatewayAt = math.floor(clocks.gatewayTat / 1000) end
  end
end

if id ~= '' then
  local job = rcall('HMGET', p .. id, 'timestamp', 'pb', 'processedOn', 'failedReason', 'verb', 'hold')
  if job[1] then
    local task = {state = 'due', problem = present(job[4]), verb = present(job[5]), hold = present(job[6])}
    local score = rcall('ZSCORE', p .. 'delayed', id)
    if score then
      task.state, task.at = 'later', math.floor(tonumber(score) / 0x1000)
    elseif rcall('ZSCORE', p .. 'failed', id) then
      task.state = 'parked'
    elseif rcall('LPOS', p .. 'active', id) then
      task.state, task.session, task.since = 'in-hand', string.match(job[2] or '', '^%S+'), tonumber(job[3])
    else
      local at = rcall('LPOS', p .. 'wait', id, 'RANK', -1, 'MAXLEN', MOST_PLACES)
      task.place = at and facts.waiting - at or nil
    end
    facts.task = task
  end
end
return cjson.encode(facts)
