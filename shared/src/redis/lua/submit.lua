-- Puts a new job into its queue.
-- KEYS 1 record, 2 its log, 3 its channel, 4–6 log, meta and channel of the queue,
--      7 ready list of its priority, 8 wake list, [9 idempotency key]
-- ARGV 1–6 as in topic.lua, 7 tag, 8 id, 9 head, 10 tail up to the creation time, 11 data, 12 priority,
--      13 fingerprint of type and data
-- Returns {'new', record, position}; {'known', id} if the id or the key is known; {'conflict', id} if
-- the key belongs to a job with another fingerprint.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'known', ARGV[8] }
end
if KEYS[9] then
  local id, fingerprint = string.match(redis.call('GET', KEYS[9]) or '', '^(%S+) (%S+)$')
  if id and redis.call('EXISTS', string.sub(KEYS[1], 1, -1 - #ARGV[8]) .. id) == 1 then
    return { fingerprint == ARGV[13] and 'known' or 'conflict', id }
  end
  redis.call('SET', KEYS[9], ARGV[8] .. ' ' .. ARGV[13])
  redis.call('HSET', KEYS[1], 'key', KEYS[9])
end
local time = now()
local v = { ARGV[9], 'queued', '0' }
v[TAIL] = ARGV[10] .. time
local json, position = emit(v, { 'HSET', KEYS[1], 'head', v[1], 'state', 'queued', 'attempt', '0',
  'tail', v[TAIL], 'data', ARGV[11], 'priority', ARGV[12] }, KEYS[4], KEYS[5], KEYS[6], ARGV[7], time)
redis.call('RPUSH', KEYS[7], ARGV[8])
wake(KEYS[8])
return { 'new', json, position }
