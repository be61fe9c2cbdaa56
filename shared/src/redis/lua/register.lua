-- Puts a node on the list of nodes, or takes it off.
-- KEYS 1 HASH node → JSON, 2 ZSET of the nodes by the end of their entries
-- ARGV 1 node, 2 its JSON, or '' to take it off, 3 ms that the entry lasts, 4 most nodes, 5 ms that the list outlives
--      its last change
-- Returns 1, or 0 if the list is full.
local time = now()
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', time, 'LIMIT', 0, 256)) do
  redis.call('HDEL', KEYS[1], node)
  redis.call('ZREM', KEYS[2], node)
end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], string.format('%.0f', tonumber(time) + tonumber(ARGV[3])), ARGV[1])
  -- If no node comes back, the list goes with the last.
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
return 1
