-- A worker serves methods of a group, and keeps its turn, for some time.
-- KEYS 1 ZSET of methods by the end of their service, 2 ZSET of workers by theirs, 3 HASH worker → methods,
--      4 the turn of a serial group
-- ARGV 1 worker, 2 ms, 3 methods with a blank behind each, 4 ms that the lists outlive their last change
-- Returns 1
local time = now()
local ends = string.format('%d', time + ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time)
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', time, 'LIMIT', 0, 256)) do
  redis.call('ZREM', KEYS[2], worker)
  redis.call('HDEL', KEYS[3], worker)
end
redis.call('ZADD', KEYS[2], ends, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
for method in string.gmatch(ARGV[3], '(%S+) ') do
  redis.call('ZADD', KEYS[1], 'GT', ends, method)
end
for i = 1, 3 do
  redis.call('PEXPIRE', KEYS[i], ARGV[4])
end
local turn = redis.call('GET', KEYS[4])
if turn and string.sub(turn, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
  redis.call('PEXPIRE', KEYS[4], ARGV[2])
end
return 1
