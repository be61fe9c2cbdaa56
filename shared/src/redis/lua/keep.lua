-- Renews this node's lease, if it has sessions, and takes off those of nodes that are gone.
-- KEYS, ARGV 1–4 as in presence.lua
-- Returns {how many sessions this node has, 1 if there are more to take off, else 0}.
local time = now()
local count = redis.call('HLEN', sessions(ARGV[1]))
if count > 0 then
  renew(time)
end
return { count, take_off(time) and 1 or 0 }
