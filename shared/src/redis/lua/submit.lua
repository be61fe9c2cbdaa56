-- Puts a new job into its queue, or among those that wait for a time.
-- KEYS 1–12 as in job.lua, [13 idempotency key]
-- ARGV 1–6 as in topic.lua, 7 tag, 8 id, 9 head, 10 tail up to the creation time, 11 data, 12 priority,
--      13 fingerprint of type and data, 14 delay ms or '', 15 limit and concurrency key, with a space
--      between, or ''
-- Returns {'new', record, position}; {'known', id} if the id or the key is known; {'conflict', id} if
-- the key belongs to a job with another fingerprint.
local key = KEYS[1] .. ARGV[8]
if redis.call('EXISTS', key) == 1 then
  return { 'known', ARGV[8] }
end
if KEYS[13] then
  local id, fingerprint = string.match(redis.call('GET', KEYS[13]) or '', '^(%S+) (%S+)$')
  if id and redis.call('EXISTS', KEYS[1] .. id) == 1 then
    return { fingerprint == ARGV[13] and 'known' or 'conflict', id }
  end
  redis.call('SET', KEYS[13], ARGV[8] .. ' ' .. ARGV[13])
  redis.call('HSET', key, 'key', KEYS[13])
end
return { 'new', create(key, ARGV[8], ARGV[7], ARGV[9], ARGV[10], ARGV[11], ARGV[12], ARGV[15], ARGV[14], now()) }
