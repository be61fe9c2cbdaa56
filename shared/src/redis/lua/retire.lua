-- A worker serves a group no longer.
-- KEYS 1 ZSET of methods by the end of their service, 2 ZSET of workers by theirs, 3 HASH worker → methods
-- ARGV 1 worker, 2 ms that the lists outlive their last change
-- Returns 1
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[1])
-- What is left is what the others serve; with more of them than this, the rest say so again soon.
local others = redis.call('ZREVRANGE', KEYS[2], 0, 255, 'WITHSCORES')
for i = 1, #others, 2 do
  for method in string.gmatch(redis.call('HGET', KEYS[3], others[i]) or '', '(%S+) ') do
    redis.call('ZADD', KEYS[1], 'GT', others[i + 1], method)
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
