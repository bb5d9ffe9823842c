#!lua flags=allow-oom
--[[
  repair: makes one destination whole again, whatever went wrong before:
    every active task names a living session           else it is delayed by a minute, its attempt counted
    every permit and every open session has its job    else it is removed
    waiting and not held means a session or `due` soon else it is due now (a dashboard's promote or resume tells nobody)
    delayed means `due` at or before its first         else it is
    what lies in `failed` is counted as parked         else it is

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 now, ms  3 destination
  Returns  the number of repairs, by kind: {tasks, sessions, permits, due, parked}
]]
local now, dest = tonumber(ARGV[2]), ARGV[3]
local p = LANE .. ':' .. dest .. ':'
local tasks, sessions, permits, due, parked = 0, 0, 0, 0, 0
for _, session in ipairs(rcall('SMEMBERS', LANE .. ':sessions:' .. dest)) do
  if rcall('EXISTS', DELIVERY .. session) == 0 then
    rcall('SREM', LANE .. ':sessions:' .. dest, session)
    sessions = sessions + 1
  end
end
for _, id in ipairs(rcall('LRANGE', p .. 'active', 0, -1)) do
  local session = string.match(rcall('HGET', p .. id, 'pb') or '', '^%S+')
  if not session or rcall('EXISTS', DELIVERY .. session) == 0 then
    if delayJob(p, id, ARGV[2], '0', 60000, nil) == -1 then rcall('LREM', p .. 'active', 0, id) end
    rcall('HDEL', p .. id, 'pb')
    tasks = tasks + 1
  end
end
local grant = readGrant(dest)
if grant then
  for _, session in ipairs(rcall('ZRANGE', LANE .. ':permits:' .. grant.site, 0, -1)) do
    if rcall('EXISTS', DELIVERY .. session) == 0 then
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
for _, id in ipairs(rcall('ZRANGE', p .. 'failed', 0, 999)) do
  parked = parked + rcall('ZADD', LANE .. ':parked', 'NX', ARGV[2], dest .. ' ' .. id)
end
rcall('SADD', LANE .. ':destinations', dest)
return {tasks, sessions, permits, due, parked}
