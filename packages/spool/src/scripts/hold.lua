#!lua flags=allow-oom
--[[
  hold: stops delivery to a destination, or lets it go on; its mail is taken and kept meanwhile. Runs when Redis is out of memory,
  too: releasing is what frees it.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 destination  3 now, ms  4 paused or resumed (BullMQ's words)  5 who and why (JSON), for `paused`
  Returns  1 when that changed something, 0 when it was so already
]]
local dest = ARGV[2]
local p = LANE .. ':' .. dest .. ':'
local was = rcall('HEXISTS', p .. 'meta', 'paused')
pause({p .. 'paused', p .. 'wait', p .. 'meta', p .. 'prioritized', EVENTS, p .. 'delayed', p .. 'marker'}, {ARGV[4], '1'})
rcall('SADD', LANE .. ':destinations', dest)
if ARGV[4] == 'paused' then
  if was == 0 then rcall('HSET', LANE .. ':holds', dest, ARGV[5]) end
  rcall('ZREM', DUE, dest)
  return 1 - was
end
rcall('HDEL', LANE .. ':holds', dest)
dueAt(dest, tonumber(ARGV[3]))
return was
