-- Forgets jobs that have ended, the first ended first.
-- KEYS 1 prefix of the slot's job records, 2 ZSET of ended jobs by when that was
-- ARGV 1 ms that they must have ended ago, 2 limit (≤ 256)
-- Returns how many there were.
local t = redis.call('TIME')
local before = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000) - ARGV[1])
local ids = redis.call('ZRANGE', KEYS[2], '-inf', before, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local key = KEYS[1] .. id
  redis.call('ZREM', KEYS[2], id)
  local idempotency = redis.call('HGET', key, 'key')
  if idempotency and string.match(redis.call('GET', idempotency) or '', '^%S+') == id then
    redis.call('DEL', idempotency)
  end
  redis.call('DEL', key, key .. ':log')
end
return #ids
