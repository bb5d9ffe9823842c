#!lua flags=allow-oom
--[[
  forget: removes every key of a destination that holds nothing: no task in any state, no session, no hold, nothing owed to its
  rate, and no grant in force.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 now, ms  3 destination
  Returns  1 when it was forgotten, 0 when something is left
]]
local now, dest = tonumber(ARGV[2]), ARGV[3]
local p = LANE .. ':' .. dest .. ':'
local grant = readGrant(dest)
if grant and (grant.validUntil > now or grant.tat > microseconds()) then return 0 end
if rcall('LLEN', p .. 'wait') + rcall('LLEN', p .. 'active') + rcall('ZCARD', p .. 'delayed') + rcall('ZCARD', p .. 'failed') > 0 then return 0 end
if rcall('SCARD', LANE .. ':sessions:' .. dest) > 0 or rcall('HEXISTS', p .. 'meta', 'paused') == 1 then return 0 end
rcall('UNLINK', p .. 'meta', p .. 'id', p .. 'marker', p .. 'stalled', p .. 'pc', p .. 'limiter', LANE .. ':grant:' .. dest, errandsOf(dest))
rcall('SREM', LANE .. ':destinations', dest)
rcall('ZREM', DUE, dest)
return 1
