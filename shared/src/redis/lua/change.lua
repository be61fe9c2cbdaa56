-- Publishes to a state topic. Setting and removing a key change its map in the same step.
-- KEYS 1–5 as in state.lua, [6 idempotency key]
-- ARGV 1–7 as in state.lua, 8 `m` | `s` | `r`, 9 tail, 10 key, 11 ms that the key lives (0: for ever),
--      12 most keys, 13 most bytes, 14 ms that the idempotency key is remembered
-- Returns {'done' | 'nothing' | 'known', epoch offset tag}; {'keys'} or {'bytes'} if as many are there as
-- may be; {'again'} if keys have to be ended first.
local kind, key, time = ARGV[8], ARGV[10], now()
if KEYS[6] then
  local seen = redis.call('GET', KEYS[6])
  if seen then
    return { 'known', seen }
  end
end
local ended, some_end = expire(time)
if kind == 's' then
  local value = string.sub(ARGV[9], string.find(ARGV[9], '\n', 1, true) + 1)
  local old = redis.call('HSTRLEN', KEYS[4], key)
  local grows = #value - old
  if old == 0 then
    grows = grows + #key
    local count = redis.call('HLEN', KEYS[4])
    unsettled = unsettled or count == 0
    if count >= tonumber(ARGV[12]) then
      settle()
      return { ended == 256 and 'again' or 'keys' }
    end
  end
  if grows > 0 and (tonumber(redis.call('HGET', KEYS[2], 'bytes') or 0) + grows) > tonumber(ARGV[13]) then
    settle()
    return { ended == 256 and 'again' or 'bytes' }
  end
  redis.call('HSET', KEYS[4], key, value)
  if ARGV[11] ~= '0' then
    redis.call('ZADD', KEYS[5], string.format('%.0f', tonumber(time) + tonumber(ARGV[11])), key)
  elseif some_end and old > 0 then
    redis.call('ZREM', KEYS[5], key)
  end
  if grows ~= 0 then
    redis.call('HINCRBY', KEYS[2], 'bytes', grows)
  end
end
local did, position = 'done', nil
if kind == 'r' and not take(key) then
  local epoch, top, tag = top_of(KEYS[1], KEYS[2], ARGV[6])
  did, position = 'nothing', epoch .. ' ' .. top .. ' ' .. tag
else
  position = append_here(ARGV[7], kind, time, ARGV[9])
end
if kind ~= 's' then
  settle()
elseif unsettled then
  redis.call('PERSIST', KEYS[2])
end
if KEYS[6] then
  redis.call('SET', KEYS[6], position, 'PX', ARGV[14])
end
return { did, position }
