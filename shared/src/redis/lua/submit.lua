-- Puts a new job into its queue.
-- KEYS 1 record, 2 its log, 3 its meta, 4 its channel, 5–7 log, meta and channel of the queue,
--      8 ready list of its priority, 9 wake list, [10 idempotency key]
-- ARGV 1–4 as in emit, 5 tag, 6 id, 7 head, 8 tail up to the creation time, 9 data, 10 priority,
--      11 fingerprint of type and data
-- Returns {'new', record, position}; {'known', id} if the id or the key is known; {'conflict', id} if
-- the key belongs to a job with another fingerprint.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'known', ARGV[6] }
end
if KEYS[10] then
  local id, fingerprint = string.match(redis.call('GET', KEYS[10]) or '', '^(%S+) (%S+)$')
  if id and redis.call('EXISTS', string.sub(KEYS[1], 1, -1 - #ARGV[6]) .. id) == 1 then
    return { fingerprint == ARGV[11] and 'known' or 'conflict', id }
  end
  redis.call('SET', KEYS[10], ARGV[6] .. ' ' .. ARGV[11])
  redis.call('HSET', KEYS[1], 'key', KEYS[10])
end
local time = now()
local v = { ARGV[7], 'queued', '0' }
v[9] = ARGV[8] .. time
redis.call('HSET', KEYS[1], 'head', v[1], 'state', 'queued', 'attempt', 0, 'tail', v[9],
  'data', ARGV[9], 'priority', ARGV[10])
redis.call('RPUSH', KEYS[8], ARGV[6])
wake(KEYS[9])
local json = record(v)
return { 'new', json, emit(KEYS[1], KEYS[5], KEYS[6], KEYS[7], ARGV[5], time, json) }
