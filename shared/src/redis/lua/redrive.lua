-- Queues a dead letter again, with all its attempts before it.
-- KEYS 1–12 as in job.lua
-- ARGV 1–6 as in topic.lua, 7 id, 8 tag
-- Returns the record as it then is, 0 if the job is no dead letter, or nothing if there is no such job.
local key = KEYS[1] .. ARGV[7]
local v = job(key)
if not v[1] then
  return false
elseif v[STATE] ~= 'failed' then
  return 0
end
local time = now()
redis.call('ZREM', KEYS[8], ARGV[7])
redis.call('HDEL', key, 'percent', 'message', 'progress', 'error', 'more', 'stalls', 'finished_at', 'until')
redis.call('PERSIST', key)
v[STATE], v[ATTEMPT], v[FINISHED], v[MORE] = 'queued', '0', false, false
v[PERCENT], v[MESSAGE], v[PROGRESS], v[ERROR] = false, false, false, false
local json = emit(v, { 'HSET', key, 'state', 'queued', 'attempt', '0', 'hold', 'lost' }, ARGV[8], time)
redis.call('PEXPIRE', key .. ':log', ARGV[3])
local idempotency = redis.call('HGET', key, 'key')
if idempotency and string.match(redis.call('GET', idempotency) or '', '^%S+') == ARGV[7] then
  redis.call('PERSIST', idempotency)
end
ready(ARGV[7], time, redis.call('HGET', key, 'priority') or '5')
return json
