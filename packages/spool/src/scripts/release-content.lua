#!lua flags=allow-oom
--[[
  release-content: a destination needs a stored content no longer. A set, so that a repeated removal does no harm.

  KEYS[1]  LANE:needs:ID   ARGV 1 LANE  2 destination
  Returns  1 when this was the last that needed the content; 0 when others do, or when nothing is known of who does: then the
           sweep, which asks every destination, decides
]]
return rcall('SREM', KEYS[1], ARGV[2]) == 1 and rcall('EXISTS', KEYS[1]) == 0 and 1 or 0
