-- Reads a part of a state topic's log together with the position of its top and its map.
-- KEYS 1–5 as in state.lua
-- ARGV 1–7 as in state.lua, 8 `now` | `newest` | `after`, 9 limit, 10 size, 11 epoch, 12 offset,
--      13 tag (`*`: not known), 14 most keys that are given at once
-- Returns as read.lua does, with the map as {key, value, …}, or 1 if it has more keys; or nothing if keys
-- have to be ended first.
local ended = expire(now())
local epoch, top, tag = top_of(KEYS[1], KEYS[2], ARGV[6])
settle()
if ended == 256 then
  return false
end
local lost, entries = page(KEYS[1], epoch, top, tag, ARGV[8], ARGV[9], ARGV[10], { ARGV[11], ARGV[12], ARGV[13] })
local snapshot = ''
if ARGV[8] == 'now' or lost ~= '' then
  snapshot = 1
  if redis.call('HLEN', KEYS[4]) <= tonumber(ARGV[14]) then
    snapshot = redis.call('HGETALL', KEYS[4])
  end
end
return { epoch, top, tag, lost, snapshot, entries }
