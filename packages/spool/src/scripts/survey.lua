#!lua flags=allow-oom
--[[
  survey: looks at some keys of the lane, all of them in the course of many calls, for what no index names any more:
    a destination that has a queue is in `destinations`   else it is entered and due now
    a content or transcript beside a task has its task    else it is removed, once nobody has touched it for so long
    a content in pieces is in `contents`                  else it is entered: the sweep decides

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 now, ms  3 cursor of SCAN, 0 at first  4 keys to look at, about  5 s that nobody touched it
  Returns  {next cursor (0: all seen), destinations entered, contents entered, keys removed}
]]
local now, untouched = tonumber(ARGV[2]), tonumber(ARGV[5])
local destinations, contents, removed = 0, 0, 0
local QUEUE = {wait = true, active = true, delayed = true, failed = true, meta = true}
-- The spool's own names, behind which other things may be called like a queue's lists.
local OWN = {}
for name in string.gmatch('clock content delivery errands grant history intake lingering needs once permits sessions site wants', '%S+') do
  OWN[name] = true
end
local BESIDE = {content = true, transcript = true}

local function isUntouched(key)
  local idle = redis.pcall('OBJECT', 'IDLETIME', key)
  return type(idle) == 'number' and idle >= untouched
end

local page = rcall('SCAN', ARGV[3], 'MATCH', LANE .. ':*', 'COUNT', ARGV[4])
for _, key in ipairs(page[2]) do
  local name, tail = string.match(string.sub(key, #LANE + 2), '^([^:]+):(.+)$')
  if name and QUEUE[tail] and not OWN[name] then
    if rcall('SADD', LANE .. ':destinations', name) == 1 then
      destinations = destinations + 1
      if rcall('HEXISTS', LANE .. ':' .. name .. ':meta', 'paused') == 0 then dueAt(name, now) end
    end
  elseif name == 'content' then
    local id = string.match(tail, '^(.+):0$')
    if id then contents = contents + rcall('ZADD', LANE .. ':contents', 'NX', ARGV[2], id) end
  elseif name then
    local id, what = string.match(tail, '^([^:]+):(%a+)$')
    if id and BESIDE[what] and rcall('EXISTS', LANE .. ':' .. name .. ':' .. id) == 0 and isUntouched(key) then
      rcall('UNLINK', key)
      removed = removed + 1
    end
  end
end
return {page[1], destinations, contents, removed}
