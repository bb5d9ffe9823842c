#!lua flags=allow-oom
--[[
  audit: notes what the postmaster does, also when Redis is out of memory; the oldest notes go.

  KEYS[1]  LANE:audit (a stream, in the first lane)
  ARGV     1 LANE  2 most notes kept  then names and values
]]
local fields = {}
for i = 3, #ARGV do fields[#fields + 1] = ARGV[i] end
return rcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(fields))
