#!lua flags=no-writes
--[[
  list: a piece of what a destination holds, with some fields of each task; never more than a few hundred, so that Redis serves
  others in between.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 destination  3 list: wait active delayed failed  4 how many to pass over  5 how many  6.. fields of the tasks'
           hashes; `from` (as JSON) and `receivedAt` are cut out of `data`
           wait and active are read from their heads, delayed and failed from their ends: what leaves meanwhile leaves at the
           other end, and so nothing is passed over unseen
  Returns  {tasks looked at, then per task: its ID, its score ('' in a list), the fields...}
]]
local p = LANE .. ':' .. ARGV[2] .. ':'
local state, from, count = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local sorted = state == 'delayed' or state == 'failed'
local found = sorted and rcall('ZRANGE', p .. state, from, from + count - 1, 'REV', 'WITHSCORES')
  or rcall('LRANGE', p .. state, from, from + count - 1)
local step = sorted and 2 or 1
-- Both stand in the payload before anything that could be taken for them: a quote within an address is escaped.
local cuts = {from = '"from":("[^"\\]*")', receivedAt = '"receivedAt":(%d+)'}
local fields = {}
for i = 6, #ARGV do fields[#fields + 1] = cuts[ARGV[i]] and 'data' or ARGV[i] end

local result = {#found / step}
for i = 1, #found, step do
  result[#result + 1] = found[i]
  result[#result + 1] = sorted and found[i + 1] or ''
  if #fields > 0 then
    local values = rcall('HMGET', p .. found[i], unpack(fields))
    for k, value in ipairs(values) do
      local cut = cuts[ARGV[5 + k]]
      if cut and value then value = string.match(value, cut) or ARGV[5 + k] == 'from' and value end
      result[#result + 1] = value
    end
  end
end
return result
