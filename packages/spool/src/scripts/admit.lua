--[[
  admit: adds tasks, piled up for one destination, with their content, and opens one more session if nothing forbids it.
  All of it is one write: wholly there or not at all. Refused by Redis when it is out of memory (no allow-oom here).

  KEYS[1]  LANE:due (routes the script to the lane's shard)
  ARGV     1 LANE  2 destination  3 now, ms
           then per task: id, data (JSON), content ('' when it lies in a store), once ('1': not again within a day), stored
           ('1': the content lies in a store: remember that this destination needs it)
  Returns  what opening a session came to: opened, held, grant, limit, enough, rate, backoff, permits, expire, empty
  Guarantees: a task that is there already is left as it is; repeating the call adds nothing.
]]
local dest, now = ARGV[2], tonumber(ARGV[3])
local p = LANE .. ':' .. dest .. ':'
for i = 4, #ARGV, 5 do
  local id, data, content, once, stored = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local first = once ~= '1' or rcall('SET', LANE .. ':once:' .. dest .. ':' .. id, '1', 'NX', 'PX', 86400000)
  if first and rcall('EXISTS', p .. id) == 0 then
    if content ~= '' then rcall('SET', p .. id .. ':content', content) end
    if stored == '1' then rcall('SADD', LANE .. ':needs:' .. id, dest) end
    addJob(p, id, 'task', data, ARGV[3])
  end
end
rcall('SADD', LANE .. ':destinations', dest)
return openSession(dest, now)
