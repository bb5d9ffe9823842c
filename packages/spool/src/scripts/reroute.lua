#!lua flags=allow-oom
--[[
  reroute: the second half of a task's way to another destination; the first one's queue lets go of it only after this. Runs when
  Redis is out of memory, too: what is moved is removed elsewhere at once.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 destination  3 now, ms  4 id  5 data (JSON)  6 content ('' when it lies in a store)  7 the move's own ID: what
           was said, and of which destination
           8 deeds  9 '' or the data (JSON) of the task that stands there, which 5 takes the place of
  Returns  'moved', this time or before; 'there' when the destination has a task of this message: 9 was not given, or is not what
           it says; 'busy' when that one is in hand; then its data
  Guarantees: each move is made once, however often this is repeated within a day.
]]
local dest, now, id = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local p = LANE .. ':' .. dest .. ':'
local once = LANE .. ':once:' .. dest .. ':' .. id .. ':' .. ARGV[7]
if rcall('EXISTS', once) == 1 then return {'moved'} end
local there = rcall('HGET', p .. id, 'data')
if rcall('EXISTS', p .. id) == 1 then
  if ARGV[9] == '' or there ~= ARGV[9] then return {'there', there} end
  if rcall('LPOS', p .. 'active', id) then return {'busy'} end
  rcall('HSET', p .. id, 'data', ARGV[5])
else
  if ARGV[6] ~= '' then rcall('SET', p .. id .. ':content', ARGV[6]) end
  addJob(p, id, 'task', ARGV[5], ARGV[3])
  if ARGV[8] ~= '' then rcall('HSET', p .. id, 'deeds', ARGV[8]) end
end
rcall('SET', once, '1', 'PX', 86400000)
rcall('SADD', LANE .. ':destinations', dest)
openSession(dest, now)
return {'moved'}
