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

-- Sees to it that meta lives as long as it must.
local function settle()
  if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('PERSIST', KEYS[2])
  else
    redis.call('HDEL', KEYS[2], 'bytes')
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
  end
end

-- Ends up to 256 keys whose time is over. Returns how many.
local function expire(time)
  local over = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', time, 'LIMIT', 0, 256)
  for i, key in ipairs(over) do
    if take(key) then
      local tag = string.sub(redis.sha1hex(ARGV[7] .. i), 1, 6)
      publish(KEYS[1], KEYS[2], KEYS[3], tag, 'x', time, ' ' .. key .. '\nnull')
    end
  end
  return #over
end
