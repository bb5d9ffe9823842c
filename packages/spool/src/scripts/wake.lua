#!lua flags=allow-oom
--[[
  wake: takes destinations whose time has come from `due`, promotes their retries, opens permitted sessions, scores anew. All in
  one step, so that a spooler may die anywhere and any number of them may run.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 now, ms  3 most destinations in one call
  Returns  {destinations looked at, then those that need a grant...}
]]
local now = tonumber(ARGV[2])
local found = rcall('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, ARGV[3])
local result = {#found}
for _, dest in ipairs(found) do
  local p = LANE .. ':' .. dest .. ':'
  rcall('ZREM', DUE, dest)
  if rcall('HEXISTS', p .. 'meta', 'paused') == 0 then
    promoteDue(p, now, 200)
    local opened = openSession(dest, now)
    local grant = readGrant(dest)
    if opened == 'opened' then
      local waiting, more = rcall('LLEN', p .. 'wait'), opened
      while more == 'opened' and waiting > rcall('SCARD', LANE .. ':sessions:' .. dest) * grant.perSession do
        more = openSession(dest, now)
      end
      if waiting > 1 then dueAt(dest, now + 500) end
    end
    local first = firstDelayed(p)
    if first then dueAt(dest, math.max(first, now)) end
    local busy = opened ~= 'empty' or rcall('SCARD', LANE .. ':sessions:' .. dest) > 0
    if busy and (not grant or grant.validUntil - now < 30000) then
      result[#result + 1] = dest
      -- Without a grant in force nothing can happen before it comes, and `grant` makes it due at once.
      local isGranted = grant and grant.validUntil > now
      rcall('ZADD', DUE, isGranted and 'LT' or 'CH', string.format('%d', now + 2000), dest)
    end
  end
end
return result
