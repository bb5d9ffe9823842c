--[[
  What the postmaster marked and an agent is still to do. The mark stands in the task's own hash:

    verb    what is to be done: hold, bounce, delete or reroute (JSON: verb, who, why, to, at, op)
    hold    who holds a parked task, and why (JSON); it leaves by `release`
    deeds   what the postmaster did to it so far (one JSON object a line)

  Whoever takes a marked task does as it says. An errand session (it dials nobody and needs no permit) goes for marked
  ones in the midst of a queue, whether the destination is held, suspended or without a grant: it looks from the tail of `wait`,
  and what is not marked goes to the head, so that after one turn of the queue all stands as before.

    LANE:errands:DEST   left: tasks still to look at; turns: looks so far; session: who looks
]]
local function errandsOf(dest)
  return LANE .. ':errands:' .. dest
end

-- more: tasks that were put to the tail, or nil for the whole queue.
local function openErrands(dest, now, more)
  local key = errandsOf(dest)
  local known = rcall('HMGET', key, 'left', 'session')
  local all = rcall('LLEN', LANE .. ':' .. dest .. ':wait')
  rcall('HSET', key, 'left', more and math.min(all, tonumber(known[1] or 0) + more) or all)
  if known[2] and rcall('EXISTS', DELIVERY .. known[2]) == 1 then return end
  rcall('HSET', key, 'session', addJob(DELIVERY, '', 'session', cjson.encode({destination = dest, expire = true, errand = true}), now))
end

-- An errand that lost its session, or whose agent stops, gets another one.
local function resumeErrands(dest, now)
  if rcall('EXISTS', errandsOf(dest)) == 1 then openErrands(dest, now, 0) end
end

-- A task that is marked while in hand, and is put off, is looked at next.
local function putForErrand(dest, id, now)
  local p = LANE .. ':' .. dest .. ':'
  if rcall('ZREM', p .. 'delayed', id) == 0 then return end
  rcall('RPUSH', p .. 'wait', id)
  openErrands(dest, now, 1)
end
