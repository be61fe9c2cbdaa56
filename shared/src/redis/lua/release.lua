-- Gives a running job back: first in its priority, and with the same attempt number for the next claim.
-- KEYS 1 record, 2 its log, 3 its channel, 4–6 log, meta and channel of the queue, 7 leases,
--      8 wake list, 9 ready lists without the priority
-- ARGV 1–6 as in topic.lua, 7 tag, 8 token, 9 id
-- Returns 1, or 0 if the lease is lost.
local v = job(KEYS[1])
if v[TOKEN] ~= ARGV[8] then
  return 0
end
v[STATE] = 'queued'
redis.call('HDEL', KEYS[1], 'token')
redis.call('ZREM', KEYS[7], ARGV[9])
redis.call('LPUSH', KEYS[9] .. (redis.call('HGET', KEYS[1], 'priority') or '5'), ARGV[9])
wake(KEYS[8])
emit(v, { 'HSET', KEYS[1], 'state', 'queued', 'waiting', 'released' }, KEYS[4], KEYS[5], KEYS[6], ARGV[7], now())
return 1
