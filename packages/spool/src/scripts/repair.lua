#!lua flags=allow-oom
--[[
  repair: makes one destination whole again, whatever went wrong before:
    every active task names a living session           else it is delayed by a minute, its attempt counted
    every permit and every open session has its job    else it is removed; a session's job names its destination
    waiting and not held means a session or `due` soon else it is due now (a dashboard's promote or resume tells nobody)
    delayed means `due` at or before its first         else it is
    what is marked for an agent has a session          else it gets one

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 now, ms  3 destination  then session ids that the caller found in none of the lists of `delivery`: here they
           are looked for once more, all at once, and what is really in none of them is gone
  Returns  the number of repairs, by kind: {tasks, sessions, permits, due, errands}, then the ids of the open sessions that are left
]]
local now, dest = tonumber(ARGV[2]), ARGV[3]
local p = LANE .. ':' .. dest .. ':'
local tasks, sessions, permits, due, errands = 0, 0, 0, 0, 0
local suspects = {}
for i = 4, #ARGV do suspects[ARGV[i]] = true end

local function isInNoList(session)
  return not rcall('LPOS', DELIVERY .. 'active', session) and not rcall('ZSCORE', DELIVERY .. 'delayed', session)
    and not rcall('LPOS', DELIVERY .. 'wait', session)
end

-- A job of that number may be another destination's: numbers begin anew when somebody empties `delivery`.
local function isAlive(session)
  local data = rcall('HGET', DELIVERY .. session, 'data')
  if not data then return false end
  local isJson, job = pcall(cjson.decode, data)
  if not isJson or type(job) ~= 'table' or job.destination ~= dest then return false end
  if not suspects[session] or rcall('EXISTS', DELIVERY .. session .. ':lock') == 1 or not isInNoList(session) then return true end
  rcall('ZREM', DELIVERY .. 'failed', session)
  rcall('ZREM', DELIVERY .. 'completed', session)
  rcall('UNLINK', DELIVERY .. session)
  return false
end

-- A permit of this site is another destination's of it, too.
local function holdsPermit(session, site)
  local data = rcall('HGET', DELIVERY .. session, 'data')
  local isJson, job = pcall(cjson.decode, data or '')
  if not isJson or type(job) ~= 'table' or not job.destination then return false end
  if job.destination == dest then return isAlive(session) end
  local own = rcall('HGET', LANE .. ':grant:' .. job.destination, 'site')
  return not own or own == site
end

local left = {}
for _, session in ipairs(rcall('SMEMBERS', LANE .. ':sessions:' .. dest)) do
  if isAlive(session) then
    left[#left + 1] = session
  else
    rcall('SREM', LANE .. ':sessions:' .. dest, session)
    sessions = sessions + 1
  end
end
for _, id in ipairs(rcall('LRANGE', p .. 'active', 0, -1)) do
  local session = string.match(rcall('HGET', p .. id, 'pb') or '', '^%S+')
  if not session or not isAlive(session) then
    if delayJob(p, id, ARGV[2], '0', 60000, nil) == -1 then rcall('LREM', p .. 'active', 0, id) end
    rcall('HDEL', p .. id, 'pb')
    if rcall('HEXISTS', p .. id, 'verb') == 1 then putForErrand(dest, id, now) end
    tasks = tasks + 1
  end
end
local grant = readGrant(dest)
if grant then
  for _, session in ipairs(rcall('ZRANGE', LANE .. ':permits:' .. grant.site, 0, -1)) do
    if not holdsPermit(session, grant.site) then
      rcall('ZREM', LANE .. ':permits:' .. grant.site, session)
      permits = permits + 1
    end
  end
end
if rcall('HEXISTS', p .. 'meta', 'paused') == 0 then
  local at = rcall('ZSCORE', DUE, dest)
  local soon = at and tonumber(at) <= now + 2000 or grant and readSite(grant, now).restUntil
  if rcall('LLEN', p .. 'wait') > 0 and not soon and rcall('SCARD', LANE .. ':sessions:' .. dest) == 0 then
    dueAt(dest, now)
    due = due + 1
  end
  local first = firstDelayed(p)
  if first and (not at or tonumber(at) > first) then
    dueAt(dest, math.max(first, now))
    due = due + 1
  end
end
local looker = rcall('HGET', errandsOf(dest), 'session')
if looker and isAlive(looker) then
  left[#left + 1] = looker
elseif looker then
  resumeErrands(dest, now)
  errands = 1
end
rcall('SADD', LANE .. ':destinations', dest)
return {tasks, sessions, permits, due, errands, unpack(left)}
