#!lua flags=allow-oom
--[[
  grant: publishes what the spooler permits a destination, for a time, and has `wake` look at it at once.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 now, ms  3 destination  4 site  5 limit  6 siteLimit  7 intervalUs  8 maxAgeMs  9 perSession  10 until, ms
           11 siteIntervalUs  12 class ('' for the default one)  13 share  14 exempt ('1' or '')
           15 longestPauseMs ('' for the usual one)
  More sessions than it permits, of the destination or its site, are told so by the field `over`, and end one by one.
  A destination that changes its site takes its open sessions' permits along.
]]
local now, dest = tonumber(ARGV[2]), ARGV[3]
local key = LANE .. ':grant:' .. dest
local before = rcall('HGET', key, 'site')
if before and before ~= ARGV[4] then
  for _, session in ipairs(rcall('SMEMBERS', LANE .. ':sessions:' .. dest)) do
    if rcall('ZREM', LANE .. ':permits:' .. before, session) == 1 then rcall('ZADD', LANE .. ':permits:' .. ARGV[4], now, session) end
  end
end
local isOver = rcall('SCARD', LANE .. ':sessions:' .. dest) > tonumber(ARGV[5])
  or rcall('ZCARD', LANE .. ':permits:' .. ARGV[4]) > tonumber(ARGV[6])
rcall('HSET', key, 'site', ARGV[4], 'limit', ARGV[5], 'siteLimit', ARGV[6], 'intervalUs', ARGV[7], 'maxAgeMs', ARGV[8],
  'perSession', ARGV[9], 'until', ARGV[10], 'siteIntervalUs', ARGV[11], 'class', ARGV[12], 'share', ARGV[13], 'exempt', ARGV[14],
  'over', isOver and '1' or '')
if ARGV[15] ~= '' then rcall('HSET', key, 'longestPauseMs', ARGV[15]) else rcall('HDEL', key, 'longestPauseMs') end
rcall('ZADD', DUE, 'LT', ARGV[2], dest)
return 1
