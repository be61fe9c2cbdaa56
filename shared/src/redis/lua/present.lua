-- Whose sessions are on a topic. Writes nothing.
-- KEYS 1 leases, see presence.lua
-- Returns {how many sessions, {node, …}}.
local count = 0
local nodes = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now(), '+inf')
for _, node in ipairs(nodes) do
  count = count + redis.call('HLEN', KEYS[1] .. ':' .. node)
end
return { count, nodes }
