-- Puts a new job into its queue, or among those that wait for a time.
-- KEYS 1–12 as in job.lua, [13 idempotency key]
-- ARGV 1–6 as in topic.lua, 7 tag, 8 id, 9 head, 10 tail up to the creation time, 11 data, 12 priority,
--      13 fingerprint of type and data, 14 delay ms or ''
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
local time = now()
local v = { ARGV[9], 'queued', '0' }
v[TAIL] = ARGV[10] .. time
local set = { 'HSET', key, 'head', v[1], 'state', 'queued', 'attempt', '0', 'tail', v[TAIL],
  'data', ARGV[11], 'priority', ARGV[12] }
local json, position
if ARGV[14] == '' then
  json, position = emit(v, set, ARGV[7], time)
  ready(ARGV[8], time, ARGV[12])
else
  local at = string.format('%d', time + ARGV[14])
  v[STATE], v[MORE] = 'scheduled', ',"run_at":' .. at
  set[6], set[15], set[16] = 'scheduled', 'more', v[MORE]
  json, position = emit(v, set, ARGV[7], time)
  redis.call('ZADD', KEYS[10], at, ARGV[8])
  -- Who waits must learn for how long.
  wake()
end
return { 'new', json, position }
