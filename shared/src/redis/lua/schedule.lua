-- Makes or changes a schedule of a queue. Where its timing stays the same, so does its next tick.
-- KEYS 1 HASH name → timing, a line end, JSON; 2 ZSET of the names by the next tick
-- ARGV 1 name, 2 timing, 3 JSON, 4 next tick after now
-- Returns the next tick.
local old = redis.call('HGET', KEYS[1], ARGV[1])
local timing = ARGV[2] .. '\n'
redis.call('HSET', KEYS[1], ARGV[1], timing .. ARGV[3])
if not old or string.sub(old, 1, #timing) ~= timing or not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
return redis.call('ZSCORE', KEYS[2], ARGV[1])
