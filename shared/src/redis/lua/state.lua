-- Put after topic.lua before every script on a state topic.
--
-- KEYS of all of them: 1 log, 2 meta, 3 channel, 4 state, 5 ends
--   state  HASH key → JSON
--   ends   ZSET of the keys that end, by the time of their end
--   meta   has, besides the numbering, `bytes`: those of all keys and values
-- ARGV of all of them: 1–6 as in topic.lua, 7 a random tag
--
-- The map never ends, nor does meta while there is a key. What is allowed to a full Redis (taking keys
-- off) or refused by it (setting) comes first; after that a script runs to its end.

-- Takes a key off the map. Returns whether it was there.
local function take(key)
  local size = redis.call('HSTRLEN', KEYS[4], key)
  redis.call('ZREM', KEYS[5], key)
  if size == 0 then
    return false
  end
  redis.call('HDEL', KEYS[4], key)
  redis.call('HINCRBY', KEYS[2], 'bytes', -size - #key)
  return true
end

-- Whether meta got an end that it may not have, or has none that it needs.
local unsettled = false

local function append_here(tag, kind, time, tail)
  local m, late = publish(KEYS[1], KEYS[2], KEYS[3], tag, kind, time, tail, '')
  unsettled = unsettled or late
  return position(m, 1)
end

-- Sees to it that meta lives as long as it must. To be called after keys were taken off, too.
local function settle()
  if redis.call('EXISTS', KEYS[4]) == 0 then
    redis.call('HDEL', KEYS[2], 'bytes')
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
  elseif unsettled then
    redis.call('PERSIST', KEYS[2])
  end
end

-- Ends up to 256 keys whose time is over. Returns how many, and whether some key ends at all.
local function expire(time)
  local first = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
  if not first[1] or tonumber(first[2]) > tonumber(time) then
    return 0, first[1] ~= nil
  end
  local over = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', time, 'LIMIT', 0, 256)
  for i, key in ipairs(over) do
    if take(key) then
      append_here(string.sub(redis.sha1hex(ARGV[7] .. i), 1, 6), 'x', time, ' ' .. key .. '\nnull')
    end
  end
  return #over, true
end
