-- Takes a session of this node off a topic's list.
-- KEYS, ARGV 1–4 as in presence.lua; ARGV 5 session
-- Returns 1.
local time, key = now(), sessions(ARGV[1])
local member = redis.call('HGET', key, ARGV[5])
if member then
  redis.call('HDEL', key, ARGV[5])
  tell('o', time, member)
  if redis.call('EXISTS', key) == 0 then
    redis.call('ZREM', KEYS[1], ARGV[1])
  end
end
take_off(time)
return 1
