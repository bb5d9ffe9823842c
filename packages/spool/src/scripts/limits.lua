--[[
  Shared by the scripts of the spool, after common: what a destination and its site may do at this moment. Nothing is read here
  that the common case, without curbs and rates, does not need.

    LANE:grant:DEST   beside what common tells: siteIntervalUs (rate of the whole site), class, share (its weight against other
                      classes), exempt ('1': not counted against the cap on the gateway), over ('1': more sessions than it permits),
                      longestPauseMs (most that its site is left alone for failures)
    LANE:site:SITE    failures, until, reason: failures in a row, and until when the site is left alone for them (ms)
                      pausedUntil, pauseReason: left alone until then, by a reply rule ("rule NAME: ...") or by the postmaster; a
                      success does not end it, and what the postmaster stopped does not expire meanwhile
                      curbConnections, curbIntervalUs, curbUntil, curbStepMs, curbReason: gentler than the policy until
                      curbUntil; then doubled, and doubled again every curbStepMs, until the policy's own limit is reached
    LANE:clock:SITE   tat: the site's rate (GCRA, us); tat/CLASS, share/CLASS: a class's part of it
                      v, f/CLASS: virtual time of the permits that classes wait for (see `nextTag`)
  Absent fields mean: no such limit.
]]
local FAILURES_BEFORE_BACKOFF = 3
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30000, 1800000
-- A site that comes back begins with one connection, and doubles this often.
local RAMP_MS = 3000
local DEFAULT_SHARE = 10
-- A curb without a time of its own; and the steps of its recovery, a quarter of that time each, within bounds.
local CURB_MS, SHORTEST_STEP_MS, LONGEST_STEP_MS = 60000, 1000, 60000
-- A class counts among those that share a site's rate this long after its clock has run out.
local LATELY_US = 200000
local CLOCK_KEPT_MS = 600000

local function readGrant(dest)
  local g = rcall('HMGET', LANE .. ':grant:' .. dest, 'site', 'limit', 'siteLimit', 'intervalUs', 'maxAgeMs', 'perSession', 'until', 'tat',
    'siteIntervalUs', 'class', 'share', 'exempt', 'over', 'longestPauseMs')
  if not g[1] then return nil end
  return {site = g[1], limit = tonumber(g[2]), siteLimit = tonumber(g[3]), intervalUs = tonumber(g[4]), maxAgeMs = tonumber(g[5]),
    perSession = tonumber(g[6]), validUntil = tonumber(g[7]), tat = tonumber(g[8] or 0), siteIntervalUs = tonumber(g[9] or 0),
    class = g[10] or '', share = tonumber(g[11] or DEFAULT_SHARE), exempt = g[12] == '1', over = g[13] == '1',
    longestPauseMs = tonumber(g[14] or LONGEST_PAUSE_MS)}
end

-- A curb's connections grow and its interval shrinks by the same factor.
local function easeOf(curbUntil, stepMs, now)
  if curbUntil > now then return 1 end
  return 2 ^ math.min(40, math.floor((now - curbUntil) / stepMs) + 1)
end

-- The site as it stands: until when it is left alone, whether it is on probation (one probing session at a time), and its limits
-- with a curb counted in.
local function readSite(grant, now)
  local s = rcall('HMGET', LANE .. ':site:' .. grant.site, 'failures', 'until', 'pausedUntil', 'pauseReason', 'curbUntil', 'curbStepMs',
    'curbConnections', 'curbIntervalUs')
  local failures, backoffUntil, pausedUntil = tonumber(s[1] or 0), tonumber(s[2] or 0), tonumber(s[3] or 0)
  local restUntil = math.max(backoffUntil, pausedUntil)
  local site = {failures = failures, probing = failures >= FAILURES_BEFORE_BACKOFF, backsOff = backoffUntil > now, pausedUntil = pausedUntil,
    restUntil = restUntil > now and restUntil or nil, suspended = pausedUntil > now and string.sub(s[4] or '', 1, 5) ~= 'rule ',
    limit = grant.siteLimit, intervalUs = grant.siteIntervalUs}
  if s[5] then
    local ease = easeOf(tonumber(s[5]), tonumber(s[6] or RAMP_MS), now)
    local connections, intervalUs = tonumber(s[7] or 0) * ease, tonumber(s[8] or 0) / ease
    if connections > 0 and connections < site.limit then site.limit, site.curbedTo = math.floor(connections), connections end
    if intervalUs >= 1000 and intervalUs > site.intervalUs then site.intervalUs = intervalUs end
  end
  return site
end

-- More sessions are open than are permitted now: a limit was lowered. Asked only when something says that it may be so.
local function isOver(grant, dest, site)
  if not grant.over and not site.curbedTo then return false end
  if grant.over and rcall('SCARD', LANE .. ':sessions:' .. dest) > grant.limit then return true end
  if rcall('ZCARD', LANE .. ':permits:' .. grant.site) > site.limit then return true end
  if grant.over then rcall('HDEL', LANE .. ':grant:' .. dest, 'over') end
  return false
end

local function keepSite(key, site, now)
  if site.pausedUntil - now > 86400000 then rcall('PERSIST', key) else rcall('PEXPIRE', key, 172800000) end
end

local function setCurb(key, connections, intervalUs, untilMs, stepMs, reason)
  rcall('HSET', key, 'curbConnections', string.format('%d', connections), 'curbIntervalUs', string.format('%.0f', intervalUs),
    'curbUntil', string.format('%d', untilMs), 'curbStepMs', string.format('%d', stepMs), 'curbReason', reason)
end

-- What a reply rule says. A curb in force is never loosened by another; each one lengthens it.
local function applyCurb(key, site, curb, random, now)
  local reason = 'rule ' .. curb.rule .. ': ' .. curb.reason
  if curb.pauseMs then
    local till = now + math.floor(curb.pauseMs * (0.9 + 0.2 * random))
    if till > site.pausedUntil then
      site.pausedUntil = till
      rcall('HSET', key, 'pausedUntil', string.format('%d', till), 'pauseReason', reason)
    end
  end
  if not curb.connections and not curb.intervalUs then return end
  local forMs = curb.forMs or CURB_MS
  local stepMs = math.max(SHORTEST_STEP_MS, math.min(LONGEST_STEP_MS, math.floor(forMs / 4)))
  local before = rcall('HMGET', key, 'curbConnections', 'curbIntervalUs', 'curbUntil', 'curbStepMs')
  local ease = before[3] and easeOf(tonumber(before[3]), tonumber(before[4] or RAMP_MS), now)
  local connections = ease and tonumber(before[1] or 0) * ease or 0
  if curb.connections and (connections == 0 or curb.connections < connections) then connections = curb.connections end
  local intervalUs = math.max(curb.intervalUs or 0, ease and tonumber(before[2] or 0) / ease or 0)
  if connections >= 100000 then connections = 0 end
  setCurb(key, connections, intervalUs < 1000 and 0 or intervalUs, math.max(now + forMs, tonumber(before[3] or 0)), stepMs, reason)
end

-- What an attempt said about its site. `failed`: another failure in a row, and from the third on a pause, longer each time. `ok`: the
-- failures are over; a site that was on probation ramps up. `curb`: a reply rule's word (JSON); the site did speak unless it says
-- `failed`. Returns whether anything changed.
local function reportSite(grant, site, kind, words, random, now)
  local key = LANE .. ':site:' .. grant.site
  local curb = kind == 'curb' and cjson.decode(words)
  if curb then applyCurb(key, site, curb, random, now) end
  local failed = kind == 'failed' or curb and curb.failed
  if not failed and site.failures == 0 then
    if curb then keepSite(key, site, now) end
    return curb
  end
  if not failed then
    rcall('HDEL', key, 'failures', 'until', 'reason')
    if site.probing and not site.curbedTo and not curb and site.limit > 1 then
      setCurb(key, 1, site.intervalUs > grant.siteIntervalUs and site.intervalUs or 0, now + RAMP_MS, RAMP_MS, 'it came back')
    end
  elseif not site.backsOff then
    -- Left alone already: sessions that were under way tell of the same outage.
    local failures = rcall('HINCRBY', key, 'failures', 1)
    local pause = 0
    if failures >= FAILURES_BEFORE_BACKOFF then
      pause = math.min(grant.longestPauseMs, FIRST_PAUSE_MS * 2 ^ math.min(16, failures - FAILURES_BEFORE_BACKOFF))
      pause = math.floor(pause * (0.9 + 0.2 * random))
    end
    rcall('HSET', key, 'until', string.format('%d', now + pause), 'reason', curb and curb.reason or words)
  end
  keepSite(key, site, now)
  return true
end

-- The clocks that a task of this destination must obey: the destination's, the site's with the class's part in it, the gateway's.
-- `at`: the earliest moment of all but the class, us; `classAt`: that of the class.
-- A class's part of a site's rate is its share among the classes that have used it lately; alone it has all of it.
local function readClocks(grant, site)
  local clocks = {at = 0, classAt = 0, classUs = 0, siteTat = 0, gatewayUs = 0, gatewayTat = 0}
  if not grant.exempt then
    local gateway = rcall('HMGET', LANE .. ':gateway', 'intervalUs', 'tat')
    clocks.gatewayUs, clocks.gatewayTat = tonumber(gateway[1] or 0), tonumber(gateway[2] or 0)
  end
  clocks.isLimited = grant.intervalUs > 0 or clocks.gatewayUs > 0 or site.intervalUs > 0
  if not clocks.isLimited then return clocks end
  clocks.now = microseconds()
  clocks.at = math.max(grant.intervalUs > 0 and grant.tat or 0, clocks.gatewayUs > 0 and clocks.gatewayTat or 0)
  if site.intervalUs == 0 then return clocks end
  local fields, sum, found = {}, grant.share, rcall('HGETALL', LANE .. ':clock:' .. grant.site)
  for i = 1, #found, 2 do fields[found[i]] = found[i + 1] end
  for field, share in pairs(fields) do
    local class = string.match(field, '^share/(.*)$')
    if class and class ~= grant.class and tonumber(fields['tat/' .. class] or 0) > clocks.now - LATELY_US then sum = sum + tonumber(share) end
  end
  clocks.siteTat = tonumber(fields['tat'] or 0)
  clocks.classAt = tonumber(fields['tat/' .. grant.class] or 0)
  clocks.classUs = site.intervalUs * sum / grant.share
  clocks.at = math.max(clocks.at, clocks.siteTat)
  return clocks
end

-- GCRA (the virtual scheduling of ITU-T I.371) on Redis's own clock. One that comes late may catch up by one interval or 100 ms,
-- so that the rate is kept on the average, through a disk that hesitates, and messages leave evenly spaced.
local function advance(tat, intervalUs, atUs)
  return string.format('%.0f', math.max(atUs - math.max(intervalUs, 100000), tat) + intervalUs)
end

local function spendClass(grant, clocks, atUs)
  local key = LANE .. ':clock:' .. grant.site
  rcall('HSET', key, 'tat/' .. grant.class, advance(clocks.classAt, clocks.classUs, atUs), 'share/' .. grant.class, grant.share)
  rcall('PEXPIRE', key, math.max(CLOCK_KEPT_MS, math.floor(clocks.classUs / 500)))
end

local function spend(dest, grant, site, clocks, atUs)
  if grant.intervalUs > 0 then rcall('HSET', LANE .. ':grant:' .. dest, 'tat', advance(grant.tat, grant.intervalUs, atUs)) end
  if site.intervalUs > 0 then rcall('HSET', LANE .. ':clock:' .. grant.site, 'tat', advance(clocks.siteTat, site.intervalUs, atUs)) end
  if clocks.gatewayUs > 0 then rcall('HSET', LANE .. ':gateway', 'tat', advance(clocks.gatewayTat, clocks.gatewayUs, atUs)) end
end

-- Destinations wait for a site's permits in the order of their tags (self-clocked fair queueing): each tag of a class lies 1000 /
-- share after its last one, and none before `v`, the tag that was served last. So a class with ten times the share of another is
-- served ten times as often, and none waits for ever.
local function nextTag(grant)
  local f = rcall('HMGET', LANE .. ':clock:' .. grant.site, 'v', 'f/' .. grant.class)
  return math.max(tonumber(f[1] or 0), tonumber(f[2] or 0)) + 1000 / grant.share
end

local function setTag(grant, tag)
  rcall('HSET', LANE .. ':clock:' .. grant.site, 'f/' .. grant.class, tag)
  rcall('PEXPIRE', LANE .. ':clock:' .. grant.site, CLOCK_KEPT_MS)
end

local function wantPermit(dest, grant)
  local key = LANE .. ':wants:' .. grant.site
  if not rcall('ZSCORE', key, dest) then
    local tag = nextTag(grant)
    setTag(grant, tag)
    rcall('ZADD', key, tag, dest)
  end
  rcall('PEXPIRE', key, 60000)
end

-- It has its permit: virtual time moves on to its tag.
local function stopWanting(dest, site)
  local tag = rcall('ZSCORE', LANE .. ':wants:' .. site, dest)
  if not tag then return end
  rcall('ZREM', LANE .. ':wants:' .. site, dest)
  local key = LANE .. ':clock:' .. site
  if tonumber(tag) > tonumber(rcall('HGET', key, 'v') or 0) then rcall('HSET', key, 'v', tag) end
end
