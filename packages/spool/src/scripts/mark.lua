#!lua flags=allow-oom
--[[
  mark: one of the postmaster's verbs on some tasks of a destination.

  KEYS[1]  LANE:due
  ARGV     1 LANE  2 destination  3 now, ms  4 verb: hold release retry bounce delete reroute  5 the mark (JSON)
           6 why, in words, as a held task shows it  then the IDs
    retry    what waits for a later attempt, and what is parked, is due now; a site left alone is looked at again, also when all
             of its mail is due already: then without IDs
    release  what is held is due now; what is marked to be held is no longer
    hold     parks what waits for a later attempt; what is due or in hand is marked
    bounce, delete, reroute: marked, and put to where an agent looks next
  Returns  {done, already, gone}: tasks that this call changed; those it found so, or in hand of an agent that does as an earlier
           mark says; those that have left
  Guarantees: repeating it does no harm: a task marked so already keeps its first mark. At most some 300 IDs in a call.
]]
local dest, now, verb, mark, why = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local p = LANE .. ':' .. dest .. ':'
local done, already, gone, moved, marked, due = 0, 0, 0, 0, 0, 0
local wanted = cjson.decode(mark)

local function tell(event, id, ...)
  rcall('XADD', EVENTS, 'MAXLEN', '~', 10000, '*', 'event', event, 'jobId', id, ...)
end

local function isMarkedSo(known)
  if not known then return false end
  local isRead, have = pcall(cjson.decode, known)
  return isRead and have.verb == wanted.verb and have.to == wanted.to
end

local function remember(id, deeds)
  local kept = deeds or ''
  if #kept > 4000 then kept = string.sub(kept, (string.find(kept, '\n', -2000, true) or 0) + 1) end
  rcall('HSET', p .. id, 'deeds', kept .. mark .. '\n')
end

-- Out of `delayed` or `failed` and into `wait`: to the head, as BullMQ's promote has it, or to the tail.
local function toWait(id, from, push)
  rcall('ZREM', p .. from, id)
  rcall('HDEL', p .. id, 'failedReason', 'finishedOn', 'processedOn', 'hold')
  rcall('HSET', p .. id, 'delay', 0)
  rcall(push, p .. 'wait', id)
  tell('waiting', id, 'prev', from)
end

local function park(id)
  rcall('ZREM', p .. 'delayed', id)
  rcall('ZADD', p .. 'failed', ARGV[3], id)
  rcall('HSET', p .. id, 'hold', mark, 'failedReason', why, 'finishedOn', ARGV[3], 'delay', 0)
  tell('failed', id, 'failedReason', why, 'prev', 'delayed')
end

-- Returns whether anything was changed.
local function act(id, where, known, hold)
  if verb == 'retry' or verb == 'release' then
    if verb == 'release' and not where and known and string.find(known, '"verb":"hold"', 1, true) then
      return rcall('HDEL', p .. id, 'verb')
    end
    if not where or (verb == 'release') ~= (hold ~= false) then return nil end
    toWait(id, where, 'LPUSH')
    due = due + 1
    return true
  end
  if verb == 'hold' and where == 'failed' then return nil end
  if verb == 'hold' and where == 'delayed' then
    park(id)
    return true
  end
  if isMarkedSo(known) or (known and rcall('LPOS', p .. 'active', id)) then return nil end
  rcall('HSET', p .. id, 'verb', mark)
  if where then
    toWait(id, where, 'RPUSH')
    moved = moved + 1
  else
    marked = marked + 1
  end
  return true
end

for i = 7, #ARGV do
  local id = ARGV[i]
  local job = rcall('HMGET', p .. id, 'timestamp', 'verb', 'hold', 'deeds')
  if not job[1] then
    gone = gone + 1
  else
    local where = rcall('ZSCORE', p .. 'delayed', id) and 'delayed' or rcall('ZSCORE', p .. 'failed', id) and 'failed'
    if act(id, where, job[2], job[3]) then
      remember(id, job[4])
      done = done + 1
    else
      already = already + 1
    end
  end
end
if marked > 0 then openErrands(dest, now) elseif moved > 0 then openErrands(dest, now, moved) end
if due > 0 or (verb == 'retry' and rcall('LLEN', p .. 'wait') > 0) then
  local site = rcall('HGET', LANE .. ':grant:' .. dest, 'site')
  if verb == 'retry' and site then rcall('HDEL', LANE .. ':site:' .. site, 'failures', 'until', 'reason') end
  if rcall('HEXISTS', p .. 'meta', 'paused') == 0 then dueAt(dest, now) end
end
return {done, already, gone}
