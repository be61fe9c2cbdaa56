-- The nodes that are there.
-- KEYS as in register.lua
-- Returns {JSON, …}.
local nodes = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now(), '+inf')
if #nodes == 0 then
  return nodes
end
return redis.call('HMGET', KEYS[1], unpack(nodes))
