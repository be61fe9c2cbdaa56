-- Takes a schedule away.
-- KEYS as in schedule.lua
-- ARGV 1 name
-- Returns 1 if there was one, else 0.
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
