#!lua flags=allow-oom
--[[
  suspend: leaves a site alone in this lane until a moment, or lets its mail flow again, whoever paused it: postmaster or reply rule.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 site  3 now, ms  4 until, ms, or '' to resume  5 why, in words  6.. destinations of the site to look at now
  Returns  1 when that changed something
]]
local key = LANE .. ':site:' .. ARGV[2]
local before = rcall('HGET', key, 'pausedUntil')
if ARGV[4] ~= '' then
  rcall('HSET', key, 'pausedUntil', ARGV[4], 'pauseReason', ARGV[5])
  rcall('PERSIST', key)
else
  rcall('HDEL', key, 'pausedUntil', 'pauseReason')
  rcall('PEXPIRE', key, 172800000)
  for i = 6, #ARGV do
    if rcall('HEXISTS', LANE .. ':' .. ARGV[i] .. ':meta', 'paused') == 0 then dueAt(ARGV[i], tonumber(ARGV[3])) end
  end
end
return before ~= (ARGV[4] ~= '' and ARGV[4]) and 1 or 0
