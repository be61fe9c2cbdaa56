-- Gives a running job back: first in its priority, and with the same attempt number for the next claim.
-- KEYS 1 record, 2 its log, 3 its meta, 4 its channel, 5–7 log, meta and channel of the queue, 8 leases,
--      9 wake list, 10 ready lists without the priority
-- ARGV 1–4 as in emit, 5 tag, 6 token, 7 id
-- Returns 1, or 0 if the lease is lost.
local v = job(KEYS[1])
if v[TOKEN] ~= ARGV[6] then
  return 0
end
v[STATE] = 'queued'
redis.call('HSET', KEYS[1], 'state', 'queued', 'waiting', 'released')
redis.call('HDEL', KEYS[1], 'token')
redis.call('ZREM', KEYS[8], ARGV[7])
redis.call('LPUSH', KEYS[10] .. (redis.call('HGET', KEYS[1], 'priority') or '5'), ARGV[7])
wake(KEYS[9])
emit(KEYS[1], KEYS[5], KEYS[6], KEYS[7], ARGV[5], now(), record(v))
return 1
