--[[
  Shared by the scripts of the spool, after common and limits: when one more session opens.
]]
-- Lingering sessions whose agents are told at most at once.
local MOST_NUDGES = 20

-- Sessions that linger take what has come. Where Redis lets nobody publish, they look by themselves when their time is over.
local function nudge(dest, tasks)
  for _ = 1, math.min(tasks, MOST_NUDGES) do
    local found = rcall('RPOP', LANE .. ':lingering:' .. dest)
    if not found then return end
    local agent, session = string.match(found, '^(%S+) (%S+)$')
    redis.pcall('PUBLISH', LANE .. ':nudge:' .. agent, session)
  end
end

local function startSession(dest, site, now, expire)
  local id = addJob(DELIVERY, '', 'session', cjson.encode({destination = dest, expire = expire or nil}), now)
  rcall('SADD', LANE .. ':sessions:' .. dest, id)
  if expire then return end
  rcall('ZADD', LANE .. ':permits:' .. site, now, id)
  stopWanting(dest, site)
end

-- Looks again when one more session might be of use. The more destinations do so, the rarer: all of them together cost Redis
-- no more than LOOKS_PER_SECOND. Nothing waits for it: an open session, or the next permit that comes free, sees to the mail.
local function lookAgain(dest, now, soonestMs, others)
  dueAt(dest, now + math.max(soonestMs, others * 1000 / LOOKS_PER_SECOND))
end

-- The rate leaves no room for another session now.
local function hasNoMoment(grant, site)
  local clocks = readClocks(grant, site)
  return clocks.isLimited and math.max(clocks.at, clocks.classAt) > clocks.now
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
  local site = readSite(grant, now)
  if site.restUntil then
    if sessions > 0 then return 'backoff' end
    local expires = site.suspended and site.restUntil or oldestWaiting(p) + grant.maxAgeMs
    if expires <= now then startSession(dest, grant.site, now, true) return 'expire' end
    dueAt(dest, math.min(site.restUntil, expires))
    return 'backoff'
  end
  if sessions > 0 then nudge(dest, waiting) end
  if sessions >= grant.limit then return 'limit' end
  local queued = rcall('LLEN', DELIVERY .. 'wait')
  local unstarted = sessions - rcall('LLEN', p .. 'active')
  local isServed = waiting <= sessions * grant.perSession and (queued > CROWD or oldestWaiting(p) > now - 500)
  if sessions > 0 and (isServed or (queued > 0 and waiting <= unstarted)) then
    lookAgain(dest, now, 500, queued + rcall('ZCARD', DELIVERY .. 'delayed'))
    return 'enough'
  end
  if sessions > 0 and hasNoMoment(grant, site) then
    lookAgain(dest, now, 500, queued + rcall('ZCARD', DELIVERY .. 'delayed'))
    return 'rate'
  end
  local permits = rcall('ZCARD', LANE .. ':permits:' .. grant.site)
  if permits >= site.limit or (site.probing and permits > 0) then
    wantPermit(dest, grant)
    lookAgain(dest, now, 1000, rcall('ZCARD', LANE .. ':wants:' .. grant.site))
    return 'permits'
  end
  startSession(dest, grant.site, now, false)
  return 'opened'
end

-- A permit of the site came free: it goes to the destination with the first tag that can use it.
local function passPermit(site, names, now)
  for _, name in ipairs(names) do
    local result = openSession(name, now)
    if result == 'opened' or result == 'permits' then return end
    rcall('ZREM', LANE .. ':wants:' .. site, name)
  end
end
