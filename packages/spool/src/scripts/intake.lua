--[[
  intake: takes messages with several destinations: content, the set of destinations that need it, and one `intake` job each
  that a worker in the spooler turns into tasks. One write, and that is the 250. Refused by Redis when it is out of memory.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 now, ms; then per message: id, data (JSON), content ('' when it lies in a store already), once ('1': not
           again within a day), number of destinations, destinations...
  Guarantees: a message that is there already is left as it is.
]]
local i = 3
while i <= #ARGV do
  local id, data, content, once, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local p = LANE .. ':intake:'
  local first = once ~= '1' or rcall('SET', LANE .. ':once:intake:' .. id, '1', 'NX', 'PX', 86400000)
  if first and rcall('EXISTS', p .. id) == 0 then
    if content ~= '' then
      rcall('SET', LANE .. ':content:' .. id .. ':0', content)
      rcall('ZADD', LANE .. ':contents', ARGV[2], id)
    end
    for d = 1, count do rcall('SADD', LANE .. ':needs:' .. id, ARGV[i + 4 + d]) end
    addJob(p, id, 'intake', data, ARGV[2])
  end
  i = i + 5 + count
end
return 1
