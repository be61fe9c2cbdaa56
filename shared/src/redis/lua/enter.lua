-- Puts a session on a topic's list.
-- KEYS, ARGV 1–4 as in presence.lua; ARGV 5 session, 6 its JSON up to the time it entered, 7 most sessions
-- Returns 1, or 0 if the list is full.
local time = now()
take_off(time)
local key = sessions(ARGV[1])
local old = redis.call('HGET', key, ARGV[5])
if not old then
  local count = 0
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. time, '+inf')) do
    count = count + redis.call('HLEN', sessions(node))
  end
  if count >= tonumber(ARGV[7]) then
    return 0
  end
end
local member = ARGV[6] .. (old and string.match(old, '(%d+)}$') or time) .. '}'
redis.call('HSET', key, ARGV[5], member)
renew(time)
if not old then
  tell('i', time, member)
end
return 1
